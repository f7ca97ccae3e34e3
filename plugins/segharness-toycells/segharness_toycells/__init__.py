"""AdaptIS's toy problem, generated from a seed, and two classical segmenters for it."""
