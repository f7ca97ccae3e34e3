"""What a person sees of a run: progress, status, the event log; all kept from the events of an executor."""
