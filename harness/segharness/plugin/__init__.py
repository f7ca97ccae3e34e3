"""What plugins offer, and how it is found: specs, options, hooks, the host, weights. Imports no framework and no numpy."""
