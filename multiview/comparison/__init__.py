"""Comparisons of methods on any samples: ``multiview compare`` and ``compare``."""

from multiview.comparison.compare import Comparison, compare
from multiview.comparison.experiment import EXPERIMENT

__all__ = ["EXPERIMENT", "Comparison", "compare"]
