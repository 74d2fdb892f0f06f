"""What is measured of trained methods."""

from multiview.measures.errors import ErrorsBySize, Pairs, TestErrors
from multiview.measures.patches import PatchErrors, Views

__all__ = ["ErrorsBySize", "Pairs", "PatchErrors", "TestErrors", "Views"]
