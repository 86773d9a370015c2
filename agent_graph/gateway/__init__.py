"""The server's door: who may come in, how much they may use, and the ways in beside LangGraph's own."""
