"""Changes of the catalog's tables, in order; run by `engine.database`."""
