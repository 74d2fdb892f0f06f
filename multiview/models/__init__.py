"""Networks."""

from multiview.models.patch_net import PatchNet
from multiview.models.resnet import ResNet
from multiview.models.smoothed_relu import smoothed_relu, smoothed_relu_slope
from multiview.models.wide_resnet import WideResNet

__all__ = ["PatchNet", "ResNet", "WideResNet", "smoothed_relu", "smoothed_relu_slope"]
