"""The tools an agent-graph plan can call: each one a LangChain tool that says what it reads, writes and returns."""
