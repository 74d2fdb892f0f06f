"""Stored results as tables: ``from multiview.results import load``."""

from multiview.runs.store import RESULTS, export, load

__all__ = ["RESULTS", "export", "load"]
