"""Gather the words of the command line into one application."""

from __future__ import annotations

from console.words import folders, house, jobs, plugins, tables, testing
from console.words.shared import app

__all__ = ["app", "folders", "house", "jobs", "plugins", "tables", "testing"]
