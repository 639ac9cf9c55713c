"""From a file on disk to a row you can query."""
