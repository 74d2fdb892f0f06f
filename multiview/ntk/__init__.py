"""Neural tangent kernels: exact Grams, ridge regression, ensembles and distillation."""

from multiview.ntk.gram import gram

__all__ = ["gram"]
