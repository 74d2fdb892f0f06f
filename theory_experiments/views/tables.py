"""Names of methods, and what the theory says of them, beside what is measured."""

from multiview.comparison.entries import labelled, with_predictions

__all__ = ["labelled", "with_predictions"]
