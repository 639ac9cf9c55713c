"""What a file looks like: one module per format, one interface."""
