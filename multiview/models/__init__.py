"""Networks."""

from multiview.models.patch_net import PatchNet
from multiview.models.smoothed_relu import smoothed_relu, smoothed_relu_slope

__all__ = ["PatchNet", "smoothed_relu", "smoothed_relu_slope"]
