"""Neural tangent kernels: exact Grams, ridge regression, ensembles and distillation."""

from multiview.ntk.gram import gram
from multiview.ntk.methods import KernelOutputs, kernel_methods, soft_targets
from multiview.ntk.patch_net import patch_net_gram
from multiview.ntk.predict import predict
from multiview.ntk.solve import Solution, centred_one_hot, solve

__all__ = [
    "KernelOutputs",
    "Solution",
    "centred_one_hot",
    "gram",
    "kernel_methods",
    "patch_net_gram",
    "predict",
    "soft_targets",
    "solve",
]
