"""A network that is saved and loaded is the same, to the last bit; all else is refused."""

import json
import pickle
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from unchecked import unchecked

import multiview
from multiview import models, stream
from multiview.models import (
    MLP,
    ConvNet,
    DropoutPatchNet,
    FastNet,
    FastTop,
    FourStageResNet,
    LeNet5,
    MeanOfNets,
    PatchNet,
    QuickNet,
    ResNet,
    RocketNets,
    SideBySide,
    SummedMembers,
    SumOfNets,
    WideResNet,
    load,
    read_description,
    rocket_wide_resnets,
    save,
    shared_patch_nets,
)
from multiview.models.description import CLASSES
from multiview.models.families import FAMILIES, FamilyNets
from multiview.models.files import KEY, _digest

PATCHES, IMAGE, SMALL = (5, 8), (3, 32, 32), (1, 16, 16)


def g() -> torch.Generator:
    return stream(0, "init")


def patch_net(members: int = 2, **changes: Any) -> PatchNet:
    settings = {"num_classes": 3, "width": 4, "patch_dim": 8, "sigma_init": 0.5}
    return PatchNet(members=members, **settings | changes, generator=g())


def mlp(**changes: Any) -> MLP:
    settings = {"input_shape": (2, 3), "num_classes": 4, "widths": (5, 6)}
    return MLP(**settings | changes, generator=g())


def conv(**changes: Any) -> ConvNet:
    settings = {"image_shape": SMALL, "num_classes": 4, "widths": (3, 4)}
    return ConvNet(**settings | changes, generator=g())


def rocket() -> RocketNets:
    return RocketNets(
        *rocket_wide_resnets(booster_depth=16, light_depth=10, generator=g()), delay=0.25
    )


def same_layers() -> RocketNets:
    """Two nets that hold one and the same layer, BatchNorm's statistics among it."""
    settings: dict[str, Any] = {"widths": (4,), "num_classes": 3, "image_shape": SMALL}
    light, booster = (FastTop(**settings, generator=g()) for _ in range(2))
    light.blocks = booster.blocks
    return RocketNets(light, booster)


# A network, and the shape of a sample.
CASES: Mapping[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "ConvNet": (conv, SMALL),
    "DropoutPatchNet": (lambda: DropoutPatchNet(patch_net(), neuron=0.5, patch=0.25), PATCHES),
    "FastNet": (lambda: FastNet(widths=(4, 6, 5), generator=g()), IMAGE),
    "FastNet, whitened": (
        lambda: FastNet(
            widths=(4, 6, 5), num_classes=3, whitening=torch.randn(7, 3, 3, 3), generator=g()
        ),
        IMAGE,
    ),
    "FastTop": (
        lambda: FastTop(widths=(4, 5), num_classes=3, image_shape=SMALL, generator=g()),
        SMALL,
    ),
    "FourStageResNet": (lambda: FourStageResNet(depth=18, norm="group", generator=g()), IMAGE),
    "FourStageResNet, 34": (lambda: FourStageResNet(num_classes=3, generator=g()), IMAGE),
    "LeNet5": (lambda: LeNet5(widths=(2, 3, 4), generator=g()), (1, 28, 28)),
    "MLP": (mlp, (2, 3)),
    "MLP, linear": (lambda: mlp(widths=()), (2, 3)),
    "MLP, dropout": (lambda: mlp(input_dropout=0.1, dropout=0.2), (2, 3)),
    "MLP, dropout of inputs": (lambda: mlp(input_dropout=0.1), (2, 3)),
    "MLP, dropout of units": (lambda: mlp(dropout=0.2), (2, 3)),
    "MeanOfNets": (lambda: MeanOfNets([mlp(), mlp(widths=(3,))]), (2, 3)),
    "NeuronBlocks": (lambda: shared_patch_nets(patch_net(1), patch_net(1), 2)[0], PATCHES),
    "PatchNet": (patch_net, PATCHES),
    "PatchNet, member": (lambda: patch_net(3, q=3, relu_knee=1).member(1), PATCHES),
    "QuickNet": (
        lambda: QuickNet(
            image_shape=SMALL, num_classes=3, widths=(2, 3, 4), hidden=5, dropout=0.3, generator=g()
        ),
        SMALL,
    ),
    "ResNet": (lambda: ResNet(depth=8, generator=g()), IMAGE),
    "ResNet, conv": (
        lambda: ResNet(
            depth=14,
            num_classes=3,
            image_shape=SMALL,
            norm="group",
            shortcut="conv",
            generator=g(),
        ),
        SMALL,
    ),
    "RocketNets": (rocket, IMAGE),
    "RocketNets, same layers": (same_layers, SMALL),
    "RocketNets, same neurons": (
        lambda: RocketNets(*shared_patch_nets(patch_net(1), patch_net(1), 2)),
        PATCHES,
    ),
    "SideBySide": (lambda: SideBySide([mlp(), mlp(dropout=0.5)]), (2, 3)),
    "SingleMember": (lambda: patch_net(2).single(1), PATCHES),
    "SumOfNets": (lambda: SumOfNets([SumOfNets([mlp(), mlp()]), mlp()]), (2, 3)),
    "SummedMembers": (lambda: SummedMembers(DropoutPatchNet(patch_net(), patch=0.5)), PATCHES),
    "WideResNet": (lambda: WideResNet(depth=10, widen=2, dropout=0.3, generator=g()), IMAGE),
    "WideResNet, group": (
        lambda: WideResNet(depth=16, widen=1, num_classes=3, norm="group", generator=g()),
        IMAGE,
    ),
} | {
    f"FamilyNets, {family}": (
        lambda family=family: FamilyNets(
            family,
            members=2,
            num_patches=5,
            patch_dim=8,
            num_classes=3,
            width=4,
            generator=g(),
        ),
        PATCHES,
    )
    for family in FAMILIES
}


def test_every_exported_class_can_be_saved_and_is_tried():
    exported = {
        name
        for name in models.__all__
        if isinstance(kind := getattr(models, name), type) and issubclass(kind, nn.Module)
    }
    assert exported <= CLASSES.keys(), "give it an entry in multiview/models/description.py"
    assert set(CLASSES) == {name.split(",")[0] for name in CASES}, "give it a case above"
    for name, (make, _) in CASES.items():
        assert type(make()).__name__ == name.split(",")[0]


def trained(make: Callable[[], nn.Module], shape: tuple[int, ...]) -> nn.Module:
    """A network whose numbers, statistics of norms included, are not those it started with."""
    net, inputs = make().train(), torch.randn(4, *shape, generator=stream(0, "x"))
    net(inputs).square().sum().backward()
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.grad is not None:
                parameter -= 1e-3 * parameter.grad.sign()
    return net.eval()


def state(net: nn.Module) -> dict[str, torch.Tensor]:
    tensors = dict(net.named_parameters(remove_duplicate=False))
    return tensors | dict(net.named_buffers(remove_duplicate=False))


@pytest.mark.parametrize("name", CASES)
def test_a_network_comes_back_to_the_last_bit(name, tmp_path):
    make, shape = CASES[name]
    net, path = trained(make, shape), tmp_path / "net.safetensors"
    save(net, path)
    found = load(path)
    assert type(found) is type(net)
    assert not found.training
    before, after = state(net), state(found)
    assert list(before) == list(after)
    for key, value in before.items():
        assert after[key].dtype == value.dtype
        assert after[key].requires_grad == value.requires_grad
        assert torch.equal(after[key], value)
    ties = [[{k for k in s if s[k] is s[key]} for key in s] for s in (before, after)]
    assert ties[0] == ties[1]
    inputs = torch.randn(3, *shape, generator=stream(1, "x"))
    assert torch.equal(net(inputs), found(inputs))
    # A dropout draws as it did.
    torch.manual_seed(0)
    one = net.train()(inputs)
    torch.manual_seed(0)
    assert torch.equal(one, found.train()(inputs))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("name", ["ResNet", "NeuronBlocks", "RocketNets"])
def test_types_and_modes_are_kept(name, dtype, tmp_path):
    net = CASES[name][0]().to(dtype).train()
    frozen = next(iter(dict(net.named_parameters())))
    net.get_parameter(frozen).requires_grad_(False)
    save(net, tmp_path / "net")
    found = load(tmp_path / "net")
    assert found.training
    for key, value in state(net).items():
        assert state(found)[key].dtype == value.dtype
        assert torch.equal(state(found)[key], value)
    assert [n for n, p in found.named_parameters() if not p.requires_grad] == [frozen]


def test_what_is_tied_is_trained_as_one(tmp_path):
    save(rocket(), tmp_path / "net")
    found: Any = load(tmp_path / "net")
    assert found.light.layers[0].weight is found.boosters[0].layers[0].weight
    assert sum(p.numel() for p in found.parameters()) == sum(
        p.numel() for p in rocket().parameters()
    )


def test_the_file_says_what_it_holds(tmp_path):
    provenance = {"seed": 3, "data": {"num_classes": 3, "mu": 0.1}, "errors": [0.25, None, "x"]}
    save(patch_net(q=3), tmp_path / "net", provenance=provenance)
    found = read_description(tmp_path / "net")
    arguments = {
        "members": 2, "num_classes": 3, "width": 4, "patch_dim": 8,
        "q": 3, "relu_knee": 3.0, "sigma_init": 0.5,
    }  # fmt: skip
    assert found == {
        "net": {"class": "PatchNet", "arguments": arguments},
        "version": multiview.__version__,
        "provenance": provenance,
    }
    with safe_open(str(tmp_path / "net"), framework="np") as file:  # as any program reads it
        assert list(file.keys()) == ["weight"]


class Mine(PatchNet):
    """A subclass, which may do anything."""


def exchanged() -> nn.Module:
    net = mlp()
    net.layers[2] = nn.Tanh()
    return net


def overlapping() -> nn.Module:
    net: Any = mlp(widths=(4,))
    net.layers[3].bias.data = net.layers[1].bias.data
    return net


@pytest.mark.parametrize(
    ("net", "words"),
    [
        (lambda: nn.Linear(2, 3), "net=Linear is of none of the classes of multiview.models: save"),
        (lambda: SideBySide([nn.Linear(2, 3)]), "net=Linear is of none of the classes"),
        (lambda: Mine(members=1, generator=g()), "net=Mine is of none of the classes"),
        (exchanged, "net=MLP is not as its class builds it, a part has been exchanged"),
        (overlapping, "layers.1.bias and layers.3.bias that share memory"),
        (lambda: "net", "net='net' is no Module: give a network."),
    ],
)
def test_a_network_that_could_not_be_loaded_is_not_saved(net, words, tmp_path):
    with unchecked(), pytest.raises(ValueError, match=re.escape(words)):
        save(net(), tmp_path / "net")
    assert not (tmp_path / "net").exists()


@pytest.mark.parametrize("provenance", [[1], {1: 2}, {"x": float("nan")}, {"x": {1, 2}}, "text"])
def test_provenance_is_json(provenance, tmp_path):
    with unchecked(), pytest.raises(ValueError, match=r"^provenance="):
        save(mlp(), tmp_path / "net", provenance=provenance)


def altered(path: Path, change: Callable[[dict[str, Any], dict[str, torch.Tensor]], Any]) -> None:
    """The file with something else in it, and the digest of that."""
    with safe_open(str(path), framework="pt") as file:
        about = json.loads(file.metadata()[KEY])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    change(about, tensors)
    about["digest"] = _digest(about, tensors)
    save_file(tensors, str(path), {KEY: json.dumps(about)})


FIRST = "layers.1.weight"
ALTERED: dict[str, tuple[Callable[[dict[str, Any], dict[str, Any]], Any], str]] = {
    "another class": (
        lambda about, _: about["net"].update({"class": "os.system"}),
        "class='os.system' is none of multiview.models: use one of ConvNet",
    ),
    "a class of torch": (
        lambda about, _: about["net"].update({"class": "Linear"}),
        "class='Linear' is none of multiview.models",
    ),
    "an inner class": (
        lambda about, _: about["net"].update({"class": "SideBySide", "arguments": {"nets": [
            {"class": "eval", "arguments": {}}]}}),
        "class='eval' is none of multiview.models",
    ),
    "no class": (lambda about, _: about.update({"net": 3}), "3 is no description with class"),
    "another argument": (
        lambda about, _: about["net"]["arguments"].update({"depth": 3}),
        "class=MLP does not take the arguments",
    ),
    "a wrong argument": (
        lambda about, _: about["net"]["arguments"].update({"num_classes": "x"}),
        "num_classes='x' is a count",
    ),
    "a wrong shape": (
        lambda about, _: about["net"]["arguments"].update({"num_classes": 5}),
        "and MLP has tensor of shape (5, 6)",
    ),
    "a missing tensor": (lambda _, tensors: tensors.pop(FIRST), f"lacks its tensors {FIRST}"),
    "a surplus tensor": (
        lambda _, tensors: tensors.update({"more": torch.ones(2)}),
        "has besides its tensors more",
    ),
    "another type": (
        lambda _, tensors: tensors.update({FIRST: tensors[FIRST].long()}),
        f"holds {FIRST} as tensor of shape (5, 6) and torch.int64",
    ),
    "a tie to nothing": (
        lambda about, tensors: (tensors.pop(FIRST), about["tied"].update({FIRST: "nothing"})),
        f"ties {FIRST} to a tensor that it lacks",
    ),
    "what is no parameter": (lambda about, _: about["frozen"].append("x"), "freezes x, which"),
    "a part left out": (lambda about, _: about.pop("frozen"), "does not say what it holds"),
    "a part of another kind": (
        lambda about, _: about.update({"tied": [1]}), "does not say what it holds"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ALTERED)
def test_a_file_that_says_something_else_is_refused(name, tmp_path):
    change, words = ALTERED[name]
    path = tmp_path / "net"
    save(mlp(), path)
    altered(path, change)
    with unchecked(), pytest.raises(ValueError) as error:  # noqa: PT011
        load(path)
    assert words in str(error.value)
    assert str(path) in str(error.value)


class Harm:
    """What would act if it were unpickled."""

    def __reduce__(self):
        return (pytest.fail, ("it was unpickled",))


@pytest.mark.parametrize("kept", [0, 4, 100, -1])
def test_a_cut_file_is_refused(kept, tmp_path):
    path = tmp_path / "net"
    save(mlp(), path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match="net is no whole safetensors file"):
        load(path)


def test_a_file_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "net"
    path.write_bytes(pickle.dumps(Harm()))
    with pytest.raises(ValueError, match="net is no whole safetensors file"):
        load(path)
    torch.save({"weight": torch.ones(2)}, path)
    with pytest.raises(ValueError, match="net is no whole safetensors file"):
        load(path)
    save_file({"weight": torch.ones(2)}, str(path))
    with pytest.raises(ValueError, match="not what network they are of"):
        load(path)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load(tmp_path / "nowhere")


def test_one_bit_is_noticed(tmp_path):
    path = tmp_path / "net"
    save(mlp(), path)
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="has been altered"):
        load(path)
