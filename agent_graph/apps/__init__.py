"""What langgraph.json names: one module per graph."""
