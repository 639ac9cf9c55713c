"""What a guest may carry: errors, the plugin SDK, the link, confinement, the guest itself."""

__all__ = ["__version__"]

__version__ = "0.1.0"
