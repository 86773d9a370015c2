"""The worker: runs the steps as a dataflow, each the moment its inputs exist, with no model in between."""
