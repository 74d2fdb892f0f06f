"""What is measured of trained methods."""

from multiview.measures.averages import Averages
from multiview.measures.errors import ErrorsBySize, Pairs, TestErrors
from multiview.measures.midway import Midway
from multiview.measures.patches import PatchErrors, Views
from multiview.measures.training import TrainErrors

__all__ = [
    "Averages",
    "ErrorsBySize",
    "Midway",
    "Pairs",
    "PatchErrors",
    "TestErrors",
    "TrainErrors",
    "Views",
]
