"""Work that nobody waits for, in durable queues on PostgreSQL: batches of questions, evaluation, scheduled ingest.

The queues are DBOS's, and this package is a seam over it. A question is a workflow of its own whose id is also its
LangGraph thread, and the checkpoints lie in the same database. So a run outlives its worker: another one takes it up
from the last checkpoint. Needs the extra `background`; importing this package does not.
"""
