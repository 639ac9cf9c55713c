"""The doors for people: command line and approval page."""
