"""Executors: their interface, the two of the engine, and the scheduling that executors of worker processes share."""
