"""What a worker process does with a unit: decode, corrupt, predict, check, encode, write; the stages overlap."""
