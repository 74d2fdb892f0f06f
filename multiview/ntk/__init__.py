"""Neural tangent kernels: exact Grams, ridge regression, ensembles and distillation.

Kernels that do not fit in memory are filled on disk by ``fill_tiles``; ``solve_tiles`` fits a model
to them and ``predict_tiles`` gives its outputs, as ``solve`` and ``predict`` do in memory.

**Kernels of my module.** Of any torch module, without JAX; ``plan_gram`` says beforehand what they
take:

>>> import torch
>>> from torch import nn
>>> from multiview import stream
>>> x = torch.randn(120, 3, 8, 8, generator=stream(0, "x"))
>>> y = (x.mean((1, 2, 3)) > 0).long()
>>> net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 2)).eval()
>>> kernel = gram(net, x[:80], outputs="trace")
>>> model = solve(kernel, nn.functional.one_hot(y[:80]).float() - 0.5)
>>> logits = predict(gram(net, x[80:], x[:80], outputs="trace"), model)
>>> tuple(logits.shape)
(40, 2)

Whether its kernel explains a network is seen by what averaging, summing and distilling gain in
both: ``multiview compare --methods one,ensemble,summed,hinton,kernel_ensemble,kernel_distilled``.
"""

from multiview.ntk.blocked import Factor, factor_tiles, predict_tiles, solve_tiles
from multiview.ntk.descent import Descent, descend
from multiview.ntk.fill import fill_tiles
from multiview.ntk.fingerprint import fingerprint
from multiview.ntk.gram import gram, plan_gram
from multiview.ntk.members import FittedKernels, fit_kernels, soft_targets
from multiview.ntk.methods import KernelOutputs, descent_methods, kernel_methods
from multiview.ntk.patch_net import patch_net_gram
from multiview.ntk.predict import DualModel, predict
from multiview.ntk.sketch import sketch
from multiview.ntk.solve import Solution, centred_one_hot, solve
from multiview.ntk.spectrum import FlowModel, Spectrum, decompose, gradient_flow, ridge_path
from multiview.ntk.store import TileError, TileStore
from multiview.ntk.tiling import Tiling

__all__ = [
    "Descent",
    "DualModel",
    "Factor",
    "FittedKernels",
    "FlowModel",
    "KernelOutputs",
    "Solution",
    "Spectrum",
    "TileError",
    "TileStore",
    "Tiling",
    "centred_one_hot",
    "decompose",
    "descend",
    "descent_methods",
    "factor_tiles",
    "fill_tiles",
    "fingerprint",
    "fit_kernels",
    "gradient_flow",
    "gram",
    "kernel_methods",
    "patch_net_gram",
    "plan_gram",
    "predict",
    "predict_tiles",
    "ridge_path",
    "sketch",
    "soft_targets",
    "solve",
    "solve_tiles",
]
