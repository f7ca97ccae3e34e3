"""What a worker does with a unit: decode, corrupt, predict, check, encode and write. The stages overlap."""
