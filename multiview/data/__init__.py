"""Samples: the multi-view patch distributions and real images."""

from multiview.data.features import make_features
from multiview.data.patches import PatchBatch, sample_patches, stream_patches
from multiview.data.spec import MultiViewSpec

__all__ = ["MultiViewSpec", "PatchBatch", "make_features", "sample_patches", "stream_patches"]
