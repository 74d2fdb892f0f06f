"""What is measured of trained methods."""

from multiview.measures.errors import TestErrors
from multiview.measures.gates import Flops, Neurons
from multiview.measures.patches import PatchErrors, Views

__all__ = ["Flops", "Neurons", "PatchErrors", "TestErrors", "Views"]
