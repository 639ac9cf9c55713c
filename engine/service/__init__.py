"""The doorway of the house: every use case, called the same by every door."""
