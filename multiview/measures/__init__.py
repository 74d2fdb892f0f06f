"""What is measured of trained methods."""

from multiview.measures.companions import Companions
from multiview.measures.errors import TestErrors
from multiview.measures.neurons import StrongestNeurons
from multiview.measures.patches import PatchErrors, Views
from multiview.measures.varied import Varied

__all__ = ["Companions", "PatchErrors", "StrongestNeurons", "TestErrors", "Varied", "Views"]
