"""Ways to execute units: what an executor is, those of the engine, and what executors of worker processes share."""
