"""What plugins offer, and how it is found: specs, options, hooks, host, weights. Imports no framework and no numpy."""
