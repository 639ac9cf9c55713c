"""The plugins that are drafted: one template per format."""
