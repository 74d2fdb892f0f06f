"""What a network is, without its numbers: its class and arguments, as JSON, and back.

The arguments are read from the network as it is, not remembered from when it was built, so that
``member``, ``with_weight`` and copies are described rightly. What a class does not keep and its
function does not depend on, such as the image size of a ``ResNet``, is replaced by a size that the
class takes.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from multiview import checks
from multiview.models.conv_net import ConvNet
from multiview.models.dropout_patch_net import DropoutPatchNet
from multiview.models.families import FamilyNets
from multiview.models.fast_net import FastNet, FastTop
from multiview.models.four_stage_resnet import BLOCKS, FourStageResNet
from multiview.models.groups import MeanOfNets, SideBySide, SumOfNets
from multiview.models.lenet import LeNet5
from multiview.models.members import SingleMember, SummedMembers
from multiview.models.mlp import MLP
from multiview.models.patch_net import PatchNet
from multiview.models.quick_net import QuickNet
from multiview.models.residual import STAGE_WIDTHS
from multiview.models.resnet import ResNet, SubsampleAndPad
from multiview.models.rocket import RocketNets
from multiview.models.shared_patch_nets import NeuronBlocks
from multiview.models.wide_resnet import WideResNet

Description = dict[str, Any]  # {"class": name, "arguments": {name: JSON}}
LEAST = (8, 8)  # height and width that every network takes that keeps no image size
AROUND = 6  # layers of a residual network of three stages that are no blocks


def _conv_net(net: Any) -> dict[str, Any]:
    widths = [each.out_channels for each in net.modules() if isinstance(each, nn.Conv2d)]
    return {"image_shape": net.image_shape, "num_classes": _classes(net), "widths": widths}


def _quick_net(net: Any) -> dict[str, Any]:
    linear = [each for each in net.modules() if isinstance(each, nn.Linear)]
    return _conv_net(net) | {"hidden": linear[0].out_features, "dropout": _dropout(net.layers)}


def _lenet(net: Any) -> dict[str, Any]:
    found = _quick_net(net)
    return {**_conv_net(net), "widths": [*found["widths"], found["hidden"]]}


def _fast_top(net: Any) -> dict[str, Any]:
    widths = [block[0].out_channels for block in net.blocks]
    return {"image_shape": net.image_shape, "num_classes": _classes(net), "widths": widths}


def _fast_net(net: Any) -> dict[str, Any]:
    whitening = net.first.weight if net.first.bias is None else None
    return _fast_top(net.top) | {"image_shape": net.image_shape, "whitening": whitening}


def _mlp(net: Any) -> dict[str, Any]:
    first, *later = net.layers[1:]
    inputs = first.p if isinstance(first, nn.Dropout) else 0.0
    widths = [each.out_features for each in net.layers if isinstance(each, nn.Linear)][:-1]
    return {
        "input_shape": net.input_shape,
        "num_classes": _classes(net),
        "widths": widths,
        "input_dropout": inputs,
        "dropout": _dropout(later),
    }


def _residual(net: Any) -> dict[str, Any]:
    norm = next(each for each in net.modules() if _is_norm(each))
    return {
        "num_classes": _classes(net),
        "image_shape": (net.layers[0].in_channels, *LEAST),
        "norm": "group" if isinstance(norm, nn.GroupNorm) else "batch",
    }


def _resnet(net: Any) -> dict[str, Any]:
    padded = any(isinstance(each, SubsampleAndPad) for each in net.modules())
    depth = 2 * (len(net.layers) - AROUND) + 2
    return _residual(net) | {"depth": depth, "shortcut": "pad" if padded else "conv"}


def _wide_resnet(net: Any) -> dict[str, Any]:
    return _residual(net) | {
        "depth": 2 * (len(net.layers) - AROUND) + 4,
        "widen": net.layers[-1].in_features // STAGE_WIDTHS[-1],
        "dropout": _dropout(net.layers[1].branch),
    }


def _four_stage_resnet(net: Any) -> dict[str, Any]:
    blocks = len(net.layers) - AROUND
    return _residual(net) | {"depth": next(each for each in BLOCKS if sum(BLOCKS[each]) == blocks)}


def _patch_net(net: Any) -> dict[str, Any]:
    names = ("members", "num_classes", "width", "patch_dim")
    kept = {name: getattr(net, name) for name in ("q", "relu_knee", "sigma_init")}
    return dict(zip(names, net.weight.shape, strict=True)) | kept


def _family_nets(net: Any) -> dict[str, Any]:
    members, inputs, width = net.weights[0].shape
    return {
        "family": net.family,
        "members": members,
        "num_patches": 1,  # of which there are any number, or which are flattened
        "patch_dim": inputs,
        "num_classes": net.biases[-1].shape[-1],
        "width": width,
    }


# Of each class, what gives the arguments of a network; all but the generator, which draws nothing
# that stays. An argument may be a network, a list of them, or a tensor, of which the shape counts.
ARGUMENTS: Mapping[type[nn.Module], Callable[[Any], dict[str, Any]]] = {
    ConvNet: _conv_net,
    DropoutPatchNet: lambda net: {
        "net": net.nets,
        "neuron": net.neuron.p,
        "patch": net.patch.p,
    },
    FamilyNets: _family_nets,
    FastNet: _fast_net,
    FastTop: _fast_top,
    FourStageResNet: _four_stage_resnet,
    LeNet5: _lenet,
    MeanOfNets: lambda net: {"nets": [*net.nets]},
    MLP: _mlp,
    NeuronBlocks: lambda net: {
        "blocks": [*net.blocks],
        "q": net.q,
        "relu_knee": net.relu_knee,
    },
    PatchNet: _patch_net,
    QuickNet: _quick_net,
    ResNet: _resnet,
    RocketNets: lambda net: {"light": net.light, "booster": net.boosters, "delay": net.delay},
    SideBySide: lambda net: {"nets": [*net.nets]},
    SingleMember: lambda net: {"net": net.net},
    SummedMembers: lambda net: {"net": net.net},
    SumOfNets: lambda net: {"nets": [*net.nets]},
    WideResNet: _wide_resnet,
}
CLASSES = {kind.__name__: kind for kind in ARGUMENTS}


def describe(net: nn.Module) -> Description:
    """Class and arguments of a network of this package.

    Raises:
        ValueError: If it, or a network in it, is of another class, or is no longer what its class
            builds, such as a network with a layer exchanged.
    """
    description = _described(net)
    if _parts(build(description)) != _parts(net):
        raise ValueError(
            f"net={checks.shown(net)} is not as its class builds it, a part has been exchanged: "
            "save its state_dict() and rebuild it by your own code."
        )
    return description


def build(description: Any) -> nn.Module:
    """A network of this class with these arguments; its numbers mean nothing.

    Raises:
        ValueError: If the class is none of this package, or does not take the arguments.
    """
    if not isinstance(description, dict) or description.keys() != {"class", "arguments"}:
        raise ValueError(f"{checks.shown(description)} is no description with class and arguments.")
    name, arguments = description["class"], description["arguments"]
    if not isinstance(name, str) or name not in CLASSES:
        raise ValueError(
            f"class={checks.shown(name)} is none of multiview.models: use one of "
            f"{', '.join(CLASSES)}."
        )
    kind = CLASSES[name]
    try:
        built = {key: _built(value) for key, value in arguments.items()}
        if "generator" in inspect.signature(kind).parameters:
            built["generator"] = torch.Generator()
        return kind(**built)
    except (TypeError, AttributeError, RuntimeError, OverflowError) as error:
        raise ValueError(f"class={name} does not take the arguments ({error}).") from error


def _described(net: nn.Module) -> Description:
    if type(net) not in ARGUMENTS:
        raise ValueError(
            f"net={checks.shown(net)} is of none of the classes of multiview.models: save its "
            "state_dict() and rebuild it by your own code."
        )
    try:
        arguments = ARGUMENTS[type(net)](net)
    except (AttributeError, LookupError, TypeError, ValueError, StopIteration) as error:
        raise ValueError(
            f"net={checks.shown(net)} is not as its class builds it ({error}): save its "
            "state_dict() and rebuild it by your own code."
        ) from error
    return {
        "class": type(net).__name__,
        "arguments": {name: _argument(value) for name, value in arguments.items()},
    }


def _argument(value: Any) -> Any:
    """An argument as JSON."""
    if isinstance(value, nn.Module):
        return _described(value)
    if isinstance(value, Tensor):
        return {"shape": list(value.shape)}
    return [_argument(each) for each in value] if isinstance(value, list | tuple) else value


def _built(value: Any) -> Any:
    """An argument made from its JSON."""
    if isinstance(value, list):
        parts = [_built(each) for each in value]
        return parts if any(isinstance(each, nn.Module | Tensor) for each in parts) else (*parts,)
    if isinstance(value, dict):
        shape = value.get("shape")
        return build(value) if shape is None else nn.Parameter(torch.zeros(shape))
    return value


def _parts(net: nn.Module) -> list[tuple[Any, ...]]:
    """Every module in a network by name and class, its settings, and shapes of its tensors."""
    return [
        (
            name,
            type(part),
            {key: value for key, value in vars(part).items() if _is_setting(key, value)},
            {key: None if each is None else each.shape for key, each in part._parameters.items()},
            {key: None if each is None else each.shape for key, each in part._buffers.items()},
        )
        for name, part in net.named_modules(remove_duplicate=False)
    ]


def _is_setting(name: str, value: Any) -> bool:
    plain = isinstance(value, bool | int | float | str | tuple)
    return plain and not name.startswith("_") and name not in ("training", "image_shape")


def _is_norm(part: nn.Module) -> bool:
    return isinstance(part, nn.BatchNorm2d | nn.GroupNorm)


def _classes(net: nn.Module) -> int:
    """How many logits the last layer gives."""
    return [each for each in net.modules() if isinstance(each, nn.Linear)][-1].out_features


def _dropout(layers: Any) -> float:
    """The probability of the first dropout among these layers; 0 where there is none."""
    return next((each.p for each in layers if isinstance(each, nn.Dropout)), 0.0)
