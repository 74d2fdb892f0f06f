"""What is measured of trained methods."""

from multiview.measures.averages import Averages
from multiview.measures.errors import TestErrors
from multiview.measures.midway import Midway
from multiview.measures.patches import PatchErrors, Views

__all__ = ["Averages", "Midway", "PatchErrors", "TestErrors", "Views"]
