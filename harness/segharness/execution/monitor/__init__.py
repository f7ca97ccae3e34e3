"""What the user sees of a run: progress, status and the event log, all made from the events of an executor."""
