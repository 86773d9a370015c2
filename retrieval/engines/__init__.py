"""Where the heavy work of an ingest is done: in this process and its readers, or by actors on Ray."""
