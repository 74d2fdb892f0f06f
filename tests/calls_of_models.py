"""Calls of multiview.models: each net is built, and called."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from one_call import Call, double, mlp, near, near_where_finite, normal, patch_net
from torch import Tensor, nn

from multiview import stream
from multiview.models import (
    MLP,
    ConvNet,
    DropoutPatchNet,
    FastNet,
    FastTop,
    FourStageResNet,
    LeNet5,
    MeanOfNets,
    NeuronBlocks,
    PatchNet,
    QuickNet,
    ResNet,
    RocketNets,
    SideBySide,
    SingleMember,
    SummedMembers,
    SumOfNets,
    WideResNet,
    as_classifier,
    light_convolutions,
    load,
    read_description,
    rocket_wide_resnets,
    save,
    shared_patch_nets,
    smoothed_relu,
    smoothed_relu_slope,
)


def _net(kind: Any, shape: tuple[int, ...], **settings: Any) -> Call:
    """A net, right if it gives finite logits of every class for inputs of the shape it is for."""

    def right(net: nn.Module, a: dict[str, Any]) -> bool:
        size = tuple(a.get("image_shape", a.get("input_shape", shape)))
        logits = net.eval()(torch.zeros(2, *size))
        return logits.shape == (2, a["num_classes"]) and bool(logits.isfinite().all())

    return Call(
        function=kind,
        arguments=lambda: {**settings, "generator": stream(0, "init")},
        right=right,
    )


def _called(kind: Any, shape: tuple[int, ...], **settings: Any) -> Call:
    """A net on inputs: right if each sample has the logits it has in double precision."""
    net = kind(**settings, generator=stream(0, "init")).eval()

    def right(logits: Tensor, a: dict[str, Any]) -> bool:
        oracle = kind(**settings, generator=stream(0, "init")).double().eval()
        if not len(a["inputs"]):
            return logits.shape == (0, settings["num_classes"])
        with torch.no_grad():
            return near_where_finite(logits, oracle(a["inputs"].double()), a["inputs"])

    def call(inputs: Tensor) -> Tensor:
        with torch.no_grad():
            return net(inputs)

    return Call(
        function=call,
        arguments=lambda: {"inputs": normal(2, *shape)},
        right=right,
        says={"inputs": ("images", "x")},
    )


def _patch_logits(net: PatchNet, patches: Tensor) -> Tensor:
    z = torch.einsum("ekmd,npd->nekmp", double(net.weight), double(patches))
    return _relu(z, net.q, net.relu_knee).sum((3, 4))


def _relu(z: Tensor, q: float, knee: float) -> Tensor:
    bent = double(z).clamp(0, knee)
    return bent**q / (q * knee ** (q - 1)) + (double(z) - bent).clamp(min=0)


def _drawn(net: PatchNet, a: dict[str, Any]) -> bool:
    shape = tuple(a[name] for name in ("members", "num_classes", "width", "patch_dim"))
    spread = float(net.weight.detach().std()) if a["sigma_init"] else 0.0
    kept = net.q == a["q"] and net.relu_knee == a["relu_knee"] and net.sigma_init == a["sigma_init"]
    return net.weight.shape == shape and kept and abs(spread - a["sigma_init"]) <= 0.5 * spread


def _of_nets(kind: Any, joined: Callable[[Tensor], Tensor]) -> Call:
    def right(logits: Tensor, a: dict[str, Any]) -> bool:
        each = torch.stack([net(torch.ones(2, 4)) for net in a["nets"]], 1)
        return near(logits, joined(each))

    return Call(
        function=lambda nets: kind(nets)(torch.ones(2, 4)),
        arguments=lambda: {"nets": [mlp(0), mlp(1)]},
        right=right,
    )


def _in_a_file(net: nn.Module, read: Callable[[Path], Any]) -> Any:
    """What is read from the file in which a network has been saved."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "net.safetensors"
        save(net, path)
        return read(path)


def _shares(nets: Any, a: dict[str, Any]) -> bool:
    """Whether two nets answer as those they were made of, but for the neurons that are shared."""
    patches, shared = normal(4, 6, 8), a["shared"]
    common = a["booster"].weight[:, :, :shared]
    mixed = torch.cat([common, a["light"].weight[:, :, shared:]], 2)
    light = a["light"].with_weight(mixed)
    wanted = [_patch_logits(net, patches)[:, 0] for net in (light, a["booster"])]
    return all(near(net(patches), logits) for net, logits in zip(nets, wanted, strict=True))


def _in_blocks(booster_depth: int, light_depth: int, variant: str) -> int:
    return light_depth - 4 if variant == "interval" else 2 * (booster_depth - 4) // 3


RESNET = {"depth": 8, "num_classes": 3, "image_shape": (1, 4, 4), "norm": "group"}
WIDE = {"depth": 10, "widen": 1, "num_classes": 3, "image_shape": (1, 4, 4), "norm": "group"}
QUICK = {"image_shape": (1, 8, 8), "num_classes": 3, "widths": (2, 3, 2), "hidden": 4}
LENET = {"image_shape": (1, 16, 16), "num_classes": 3, "widths": (2, 3, 4)}
FAST = {"widths": (2, 3, 2), "num_classes": 3, "image_shape": (1, 9, 9)}
TOP = {"widths": (2, 3), "num_classes": 3, "image_shape": (1, 4, 4)}
FLAT = {"input_shape": (2, 3), "num_classes": 3, "widths": (4, 5)}
CONV = {"image_shape": (1, 8, 8), "num_classes": 3, "widths": (2, 3)}
ROCKET = {
    "booster_depth": 16, "light_depth": 10, "widen": 1, "variant": "interval", "shared": 2,
    "num_classes": 3, "image_shape": (1, 8, 8), "booster_dropout": 0.1,
}  # fmt: skip
FOUR = {"depth": 18, "num_classes": 2, "image_shape": (1, 8, 8), "norm": "batch"}
CALLS = {
    "PatchNet": Call(
        function=PatchNet,
        arguments=lambda: {
            "members": 2, "num_classes": 3, "width": 4, "patch_dim": 5, "q": 4.0,
            "relu_knee": 3.0, "sigma_init": 0.3, "generator": stream(0),
        },
        right=_drawn,
    ),
    "PatchNet, called": Call(
        function=lambda patches: patch_net()(patches),
        arguments=lambda: {"patches": normal(4, 6, 8)},
        right=lambda found, a: near_where_finite(
            found, _patch_logits(patch_net(), a["patches"]), a["patches"]
        ),
    ),
    "PatchNet, with_weight": Call(
        function=lambda weight: patch_net().with_weight(weight),
        arguments=lambda: {"weight": normal(2, 3, 4, 8)},
        right=lambda net, a: near(net.weight, a["weight"]) and net.weight is not a["weight"],
    ),
    "PatchNet, of": Call(
        function=PatchNet.of,
        arguments=lambda: {
            "weight": normal(2, 3, 4, 8), "q": 4.0, "relu_knee": 3.0, "sigma_init": 0.3,
        },
        right=lambda net, a: near(net.weight, a["weight"])
        and (net.q, net.relu_knee, net.sigma_init) == (a["q"], a["relu_knee"], a["sigma_init"]),
    ),
    "PatchNet, single": Call(
        function=lambda index: patch_net().single(index),
        arguments=lambda: {"index": 1},
        right=lambda single, a: near(
            next(single.parameters()), patch_net().weight[a["index"]].unsqueeze(0)
        ),
    ),
    "SingleMember": Call(
        function=lambda net: SingleMember(net)(normal(4, 6, 8)),
        arguments=lambda: {"net": patch_net().member(0)},
        right=lambda logits, a: near(logits, a["net"](normal(4, 6, 8))[:, 0]),
    ),
    "SummedMembers": Call(
        function=lambda net: SummedMembers(net)(normal(4, 6, 8)),
        arguments=lambda: {"net": patch_net()},
        right=lambda logits, a: near(logits, a["net"](normal(4, 6, 8)).sum(1)),
    ),
    "DropoutPatchNet": Call(
        function=DropoutPatchNet,
        arguments=lambda: {"net": patch_net(), "neuron": 0.5, "patch": 0.25},
        right=lambda net, a: near(net.plain().weight, a["net"].weight)
        and (net.neuron.p, net.patch.p) == (a["neuron"], a["patch"]),
    ),
    "DropoutPatchNet, called": Call(
        function=lambda patches: DropoutPatchNet(patch_net()).eval()(patches),
        arguments=lambda: {"patches": normal(4, 6, 8)},
        right=lambda found, a: near_where_finite(
            found, _patch_logits(patch_net(), a["patches"]), a["patches"]
        ),
    ),
    "NeuronBlocks": Call(
        function=lambda blocks, q, relu_knee: NeuronBlocks(blocks, q=q, relu_knee=relu_knee),
        arguments=lambda: {"blocks": [normal(3, 2, 8)], "q": 4.0, "relu_knee": 3.0},
        right=lambda net, a: near(torch.cat([*net.blocks], 1), torch.cat([*a["blocks"]], 1))
        and (net.q, net.relu_knee) == (a["q"], a["relu_knee"]),
    ),
    "shared_patch_nets": Call(
        function=shared_patch_nets,
        arguments=lambda: {"light": patch_net(1), "booster": patch_net(1), "shared": 1},
        right=_shares,
    ),
    "rocket_wide_resnets": Call(
        function=rocket_wide_resnets,
        arguments=lambda: {**ROCKET, "generator": stream(0, "init")},
        right=lambda nets, a: all(
            net.eval()(torch.zeros(2, *a["image_shape"])).shape == (2, a["num_classes"])
            for net in nets
        ),
    ),
    "light_convolutions": Call(
        function=light_convolutions,
        arguments=lambda: {"booster_depth": 16, "light_depth": 10, "variant": "interval"},
        right=lambda found, a: found == 1 + _in_blocks(**a),
    ),
    "ConvNet": _net(ConvNet, (1, 8, 8), **CONV),
    "ConvNet, called": _called(ConvNet, (1, 8, 8), **CONV),
    "MLP": _net(MLP, (2, 3), **FLAT, input_dropout=0.1, dropout=0.2),
    "MLP, called": _called(MLP, (2, 3), **FLAT),
    "FastNet": _net(FastNet, (1, 9, 9), **FAST, whitening=normal(4, 1, 2, 2)),
    "FastNet, called": _called(FastNet, (1, 9, 9), **FAST),
    "FastTop": _net(FastTop, (1, 4, 4), **TOP),
    "FastTop, called": _called(FastTop, (1, 4, 4), **TOP),
    "FourStageResNet": _net(FourStageResNet, (1, 8, 8), **FOUR),
    "LeNet5": _net(LeNet5, (1, 16, 16), **LENET),
    "LeNet5, called": _called(LeNet5, (1, 16, 16), **LENET),
    "QuickNet": _net(QuickNet, (1, 8, 8), **QUICK, dropout=0.5),
    "QuickNet, called": _called(QuickNet, (1, 8, 8), **QUICK),
    "ResNet": _net(ResNet, (1, 4, 4), **RESNET, shortcut="pad"),
    "ResNet, called": _called(ResNet, (1, 4, 4), **RESNET),
    "WideResNet": _net(WideResNet, (1, 4, 4), **WIDE, dropout=0.3),
    "WideResNet, called": _called(WideResNet, (1, 4, 4), **WIDE),
    "SideBySide": _of_nets(SideBySide, lambda each: each),
    "SumOfNets": _of_nets(SumOfNets, lambda each: each.sum(1)),
    "MeanOfNets": _of_nets(MeanOfNets, lambda each: each.mean(1)),
    "as_classifier": Call(
        function=lambda module, argument, without: (
            as_classifier(module, argument, without=without)
            .eval()({"x": torch.ones(2, 4), "labels": None})
        ),
        arguments=lambda: {"module": mlp(), "argument": "x", "without": ["labels"]},
        right=lambda logits, a: near(logits, a["module"](torch.ones(2, 4))),
    ),
    "save": Call(
        function=lambda net: _in_a_file(net, Path.stat),
        arguments=lambda: {"net": mlp()},
        right=lambda found, a: found.st_size > 4 * sum(p.numel() for p in a["net"].parameters()),
    ),
    "load": Call(
        function=lambda net: _in_a_file(net, load),
        arguments=lambda: {"net": patch_net()},
        right=lambda found, a: torch.equal(found.weight, a["net"].weight),
    ),
    "read_description": Call(
        function=lambda net: _in_a_file(net, read_description),
        arguments=lambda: {"net": mlp()},
        right=lambda found, a: found["net"]["class"] == type(a["net"]).__name__,
    ),
    "smoothed_relu": Call(
        function=smoothed_relu,
        arguments=lambda: {"z": 3 * normal(4, 5), "q": 3.0, "relu_knee": 2.0},
        right=lambda found, a: near(
            found[a["z"].isfinite()], _relu(a["z"], a["q"], a["relu_knee"])[a["z"].isfinite()]
        ),
    ),
    "smoothed_relu_slope": Call(
        function=smoothed_relu_slope,
        arguments=lambda: {"z": 3 * normal(4, 5), "q": 3.0, "relu_knee": 2.0},
        right=lambda found, a: near(
            found, (double(a["z"]).clamp(0, a["relu_knee"]) / a["relu_knee"]) ** (a["q"] - 1)
        ),
    ),
    "RocketNets": Call(
        function=lambda light, booster, delay: RocketNets(light, booster, delay=delay),
        arguments=lambda: {"light": mlp(), "booster": [mlp(1)], "delay": 0.2},
        right=lambda found, a: (
            found.light is a["light"]
            and found.delay < 1
            and found(normal(5, 4)).shape[1] == 1 + len(found.boosters)
        ),
    ),
}  # fmt: skip
