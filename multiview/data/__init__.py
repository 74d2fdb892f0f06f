"""Samples: the multi-view patch distributions and real images.

``stand_ins`` makes up images on which code for real ones can be tried without any data set:
``gaussian_images`` have no views, ``multi_view_images`` do.

**Use samples of your own.** ``multiview.comparison.compare`` takes any tensors or data sets. In an
experiment they are a setting, with any module as the network; its rows know both by digests:

>>> import torch
>>> from torch import nn
>>> from multiview import stream
>>> from multiview.bench import Cell, run
>>> from multiview.bench.recipe import plain_recipe
>>> from multiview.bench.tensors import TensorSetting, samples_of
>>> from multiview.measures import TestErrors
>>> from multiview.methods import Ensemble, Members
>>> from multiview.runs.experiment import Context
>>> x = torch.randn(300, 8, generator=stream(0, "x"))
>>> y = (x[:, 0] > 0).long()
>>> setting = TensorSetting.of(
...     samples_of((x[:200], y[:200]), (x[200:], y[200:])),
...     lambda: nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2)),
...     recipe=plain_recipe(epochs=5),
... )
>>> cell = Cell(
...     setting=setting, methods={"one": Members(), "all": Ensemble()}, measures=(TestErrors(),)
... )
>>> row = run(cell, Context())
>>> row["all"]["error"] < 0.3
True

**Add a data set** of images to ``--data-dir``: a reader in ``READERS`` of ``data.images``, which
says where its files lie and what digests they have.
"""

from multiview.data.batches import tensor_batches
from multiview.data.datasets import MultiViewDataset, MultiViewStream
from multiview.data.features import make_features
from multiview.data.patches import PatchBatch, sample_patches, stream_patches
from multiview.data.spec import MultiViewSpec

__all__ = [
    "MultiViewDataset",
    "MultiViewSpec",
    "MultiViewStream",
    "PatchBatch",
    "make_features",
    "sample_patches",
    "stream_patches",
    "tensor_batches",
]
