"""What is measured of trained methods."""

from multiview.measures.averages import Averages
from multiview.measures.errors import Errors, ErrorsBySize, Pairs, TestErrors
from multiview.measures.midway import Midway
from multiview.measures.patches import PatchErrors, Views
from multiview.measures.training import TrainErrors

__all__ = [
    "Averages",
    "Errors",
    "ErrorsBySize",
    "Midway",
    "Pairs",
    "PatchErrors",
    "TestErrors",
    "TrainErrors",
    "Views",
]
