"""Networks."""

from multiview.models.fast_net import FastNet, FastTop
from multiview.models.four_stage_resnet import FourStageResNet
from multiview.models.groups import SideBySide, SumOfNets
from multiview.models.lenet import LeNet5
from multiview.models.members import SingleMember, SummedMembers
from multiview.models.mlp import MLP
from multiview.models.patch_net import PatchNet
from multiview.models.quick_net import QuickNet
from multiview.models.resnet import ResNet
from multiview.models.rocket import Rocket
from multiview.models.smoothed_relu import smoothed_relu, smoothed_relu_slope
from multiview.models.wide_resnet import WideResNet

__all__ = [
    "MLP",
    "FastNet",
    "FastTop",
    "FourStageResNet",
    "LeNet5",
    "PatchNet",
    "QuickNet",
    "ResNet",
    "Rocket",
    "SideBySide",
    "SingleMember",
    "SumOfNets",
    "SummedMembers",
    "WideResNet",
    "smoothed_relu",
    "smoothed_relu_slope",
]
