"""Networks: patch networks as in the theory, image classifiers, and pairs that share weights.

Patch networks take patches (n, P, d) and give logits of every member, (n, members, k); their
``single`` and ``summed`` are classifiers. All others are classifiers: logits (n, k) of images.
``save`` writes any of them into a file, and ``load`` makes it again.
"""

from multiview.models.classifier import as_classifier
from multiview.models.conv_net import ConvNet
from multiview.models.dropout_patch_net import DropoutPatchNet
from multiview.models.fast_net import FastNet, FastTop
from multiview.models.files import load, read_description, save
from multiview.models.four_stage_resnet import FourStageResNet
from multiview.models.groups import MeanOfNets, SideBySide, SumOfNets
from multiview.models.lenet import LeNet5
from multiview.models.members import SingleMember, SummedMembers
from multiview.models.mlp import MLP
from multiview.models.patch_net import PatchNet
from multiview.models.quick_net import QuickNet
from multiview.models.resnet import ResNet
from multiview.models.rocket import RocketNets
from multiview.models.rocket_wide_resnet import light_convolutions, rocket_wide_resnets
from multiview.models.shared_patch_nets import NeuronBlocks, shared_patch_nets
from multiview.models.smoothed_relu import smoothed_relu, smoothed_relu_slope
from multiview.models.wide_resnet import WideResNet

__all__ = [
    "MLP",
    "ConvNet",
    "DropoutPatchNet",
    "FastNet",
    "FastTop",
    "FourStageResNet",
    "LeNet5",
    "MeanOfNets",
    "NeuronBlocks",
    "PatchNet",
    "QuickNet",
    "ResNet",
    "RocketNets",
    "SideBySide",
    "SingleMember",
    "SumOfNets",
    "SummedMembers",
    "WideResNet",
    "as_classifier",
    "light_convolutions",
    "load",
    "read_description",
    "rocket_wide_resnets",
    "save",
    "shared_patch_nets",
    "smoothed_relu",
    "smoothed_relu_slope",
]
