"""Samples: the multi-view patch distributions and real images.

``stand_ins`` makes up images on which code for real ones can be tried without any data set:
``gaussian_images`` have no views, ``multi_view_images`` do.
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
