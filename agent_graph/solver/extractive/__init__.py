"""Answering without a model: a value read out of the evidence by rules, and the sentences that say so."""

from agent_graph.solver.extractive.answer import NOT_FOUND, Draft, write_answer

__all__ = ["NOT_FOUND", "Draft", "write_answer"]
