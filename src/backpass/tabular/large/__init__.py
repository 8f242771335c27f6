"""Tables larger than memory: read in pieces, encoded once to a memory map, trained from there."""
