"""What is measured of trained methods."""

from multiview.measures.errors import TestErrors
from multiview.measures.patches import PatchErrors, Views

__all__ = ["PatchErrors", "TestErrors", "Views"]
