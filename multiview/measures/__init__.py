"""What is measured of trained methods."""

from multiview.measures.patches import PatchErrors, Views

__all__ = ["PatchErrors", "Views"]
