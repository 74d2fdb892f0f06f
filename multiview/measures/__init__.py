"""What is measured of trained methods."""

from multiview.measures.errors import ErrorsBySize, Pairs, TestErrors
from multiview.measures.patches import PatchErrors, Views
from multiview.measures.shift import BiasShift

__all__ = ["BiasShift", "ErrorsBySize", "Pairs", "PatchErrors", "TestErrors", "Views"]
