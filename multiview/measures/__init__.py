"""What is measured of trained methods."""

from multiview.measures.errors import Errors, ErrorsBySize, Pairs
from multiview.measures.patches import PatchErrors, Views

__all__ = ["Errors", "ErrorsBySize", "Pairs", "PatchErrors", "Views"]
