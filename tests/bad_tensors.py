"""Bad samples, loaders and modules: for comparisons, trainings, distillation, gates and kernels."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from one_bad_input import BadInput
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from multiview import stream
from multiview.bench.recipe import plain_recipe
from multiview.comparison import compare
from multiview.data import MultiViewSpec, make_features, sample_patches
from multiview.distill import Hinton, knowledge_distillation
from multiview.models import PatchNet
from multiview.ntk import fill_tiles, gram, solve
from multiview.sparsity import L0Spec, gate_layers, sparsify
from multiview.train import (
    Checkpoint,
    OptimSpec,
    TrainSpec,
    fit,
    target_loss,
    train_patch_net,
)

N, D, K = 60, 5, 3
X = torch.randn(N, D, generator=stream(0, "x"))
Y = X[:, :K].argmax(1)
TRAIN, TEST = (X, Y), (X[:20], Y[:20])
SPEC = OptimSpec(epochs=2, batch_size=20, learning_rate=0.1)


def linear() -> nn.Module:
    """A network for these samples."""
    return nn.Linear(D, K)


def compared(name: str, message: str, **changes: Any) -> BadInput:
    """A line about a comparison with other arguments."""
    given = {"net": linear, "train": TRAIN, "test": TEST, "methods": "one", "epochs": 1} | changes
    return BadInput(name, lambda here: compare(**given), message)


def with_value(x: torch.Tensor, value: Any) -> torch.Tensor:
    """A copy whose first entry is this."""
    other = x.clone()
    other.view(-1)[0] = value
    return other


class Items(Dataset):
    """A data set of these items."""

    def __init__(self, *items: Any) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        return self.items[index]


SAMPLES: list[BadInput] = [
    compared("inputs without labels", "", train=X),
    compared("three in place of a pair", "", train=(X, Y, Y)),
    compared("no samples", "", train=(X[:0], Y[:0])),
    compared("a data set of nothing", "", train=Items()),
    compared("a data set of inputs alone", "", train=TensorDataset(X)),
    compared("inputs of several shapes", "", train=Items((X[0], 0), (X[0, :2], 1))),
    compared("inputs that are text", "", train=(["a", "b"], [0, 1])),
    compared("a loader for a data set", "", train=DataLoader(TensorDataset(X, Y))),
    compared("a label too few", "", train=(X, Y[:-1])),
    compared("labels as floats", "", train=(X, Y.double())),
    compared("labels one-hot", "", train=(X, nn.functional.one_hot(Y))),
    compared("labels in 32 bits", "", train=(X, Y.int())),
    compared("a label below 0", "", train=(X, Y - 1)),
    compared("a label of no class", "", num_classes=2),
    compared("a test label of no class", "", test=(X[:20], Y[:20] + 1)),
    compared("one class", "", train=(X, Y * 0), test=(X[:20], Y[:20] * 0)),
    compared("inputs with NaN", "", train=(with_value(X, torch.nan), Y)),
    compared("test inputs with infinity", "", test=(with_value(X[:20], torch.inf), Y[:20])),
    compared("validation of another shape", "", validation=(X[:, :4], Y)),
    compared("inputs in 64 bits", "", train=(X.double(), Y), test=(X[:20].double(), Y[:20])),
    compared("inputs as integers", "", train=(X.long(), Y), test=(X[:20].long(), Y[:20])),
    compared("test inputs of another type", "", test=(X[:20].double(), Y[:20])),
]
NETS: list[BadInput] = [
    compared("no network", "", net=None),
    compared("a network that is made", "", net=nn.Linear(D, K)),
    compared("a network by name", "", net="resnet"),
    compared("a network of no module", "", net=lambda: "net"),
    compared("a network that is made once", "", net=(lambda net: lambda: net)(nn.Linear(D, K))),
    compared("a network of too many outputs", "", net=lambda: nn.Linear(D, K + 1)),
    compared("a network of other inputs", "", net=lambda: nn.Linear(D + 1, K)),
    compared("a network without parameters", "", net=nn.Identity, num_classes=D),
    compared("a network that cannot be trained", "", net=lambda: nn.Linear(D, K).requires_grad_(False)),
    compared("a network that needs arguments", "", net=nn.Linear),
    compared("a network of two outputs", "", net=lambda: nn.RNN(D, K)),
    compared("BatchNorm on one sample", "", net=lambda: nn.Sequential(nn.Linear(D, 4), nn.BatchNorm1d(4), nn.Linear(4, K)), recipe=plain_recipe(1, batch_size=59), epochs=None),
    compared("methods of no kind", "", methods={"mine": "one"}),
    compared("methods without names", "", methods=[Hinton()]),
    compared("no methods", "", methods={}),
    compared("an empty list of methods", "", methods=[]),
    compared("dropout without a layer for it", "", methods="dropout"),
    compared("repetitions as a word", "", seeds="3"),
    compared("no repetitions", "", seeds=0),
    compared("members by half", "", members=1.5),
    compared("no epochs", "", epochs=0),
    compared("epochs twice", "", recipe=plain_recipe(1)),
    compared("a recipe by name", "", recipe="fast", epochs=None),
    compared("samples and a setting", "", setting="patches"),
    compared("a setting of no kind", "", setting=3, net=None, train=None, test=None, epochs=None),
    compared("images without a folder", "", setting="mnist", net=None, train=None, test=None, epochs=None),
    compared("an unknown device", "", device="abacus"),
]


def fitted(name: str, message: str, **changes: Any) -> BadInput:
    """A line about a training with other arguments."""

    def call(here: Path) -> Any:
        made = {key: value() if isinstance(value, Fresh) else value for key, value in changes.items()}
        given = {"module": linear(), "inputs": X, "loss": target_loss(Y), "spec": SPEC} | made
        return fit(**{"generator": stream(0), **given})

    return BadInput(name, call, message)


class Fresh:
    """An argument that is made for each call."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make

    def __call__(self) -> Any:
        return self.make()


def normed(*layers: nn.Module) -> Fresh:
    """A network with BatchNorm."""
    return Fresh(lambda: nn.Sequential(nn.Linear(D, 4), nn.BatchNorm1d(4), nn.Linear(4, K)))


def loader(*tensors: torch.Tensor, size: int = 20) -> DataLoader:
    """A loader of these."""
    return DataLoader(TensorDataset(*tensors), batch_size=size)


TRAININGS: list[BadInput] = [
    fitted("a function for a module", "", module=lambda x: x),
    fitted("a module without parameters", "", module=nn.Identity()),
    fitted("a module that is frozen", "", module=Fresh(lambda: linear().requires_grad_(False))),
    fitted("a module that is lazy", "", module=Fresh(lambda: nn.LazyLinear(K))),
    fitted("no samples", "", inputs=X[:0]),
    fitted("samples that are a list", "", inputs=X.tolist()),
    fitted("samples with NaN", "", inputs=with_value(X, torch.nan)),
    fitted("samples of another type", "", inputs=X.double()),
    fitted("targets of other samples", "", loss=target_loss(Y[:-1])),
    fitted("targets of no class", "", loss=target_loss(Y + 1)),
    fitted("outputs of no class", "", module=Fresh(lambda: nn.Sequential(linear(), nn.Flatten(0)))),
    fitted("a loss by name", "", loss="cross entropy"),
    fitted("a seed for a generator", "", generator=0),
    fitted("settings by name", "", spec="sgd"),
    fitted("a loader of nothing", "", inputs=DataLoader(Items()), loss=target_loss(None)),
    fitted("a loader without labels", "", inputs=loader(X), loss=target_loss(None)),
    fitted("a loader of three", "", inputs=loader(X, Y, Y), loss=target_loss(None)),
    fitted("a loader beside labels", "", inputs=loader(X, Y)),
    fitted("a loader of labels as floats", "", inputs=loader(X, Y.double()), loss=target_loss(None)),
    fitted("a loader of labels of no class", "", inputs=loader(X, Y + 1), loss=target_loss(None)),
    fitted("a loader with NaN", "", inputs=loader(with_value(X, torch.nan), Y), loss=target_loss(None)),
    fitted("a loader that is spent", "", inputs=[], loss=target_loss(None)),
    fitted("a loader and a checkpoint", "", inputs=loader(X, Y), loss=target_loss(None), checkpoint=Checkpoint(path=Path("c.pt"))),
    fitted("BatchNorm on a last sample", "", module=normed(), spec=replace(SPEC, batch_size=59)),
    fitted("BatchNorm on samples one by one", "", module=normed(), spec=replace(SPEC, batch_size=1)),
    BadInput("labels as floats", lambda here: target_loss(Y.double()), ""),
    BadInput("labels below 0", lambda here: target_loss(Y - 1), ""),
    BadInput("probabilities that are none", lambda here: target_loss(torch.ones(4, 3)), ""),
    BadInput("smoothing of 2", lambda here: target_loss(Y, 2.0), ""),
]


def taught(name: str, message: str, **changes: Any) -> BadInput:
    """A line about a distillation with other arguments."""

    def call(here: Path) -> Any:
        given = {"student": linear(), "teacher": linear(), "inputs": X, "labels": Y, "spec": SPEC}
        return knowledge_distillation(**{**given, "generator": stream(0), **changes})

    return BadInput(name, call, message)


SHARED = linear()
PATCH_SPEC = MultiViewSpec(num_classes=3, patch_dim=8, num_patches=6)
BATCH = sample_patches(PATCH_SPEC, make_features(PATCH_SPEC, stream(0)), 6, stream(1))


def patch_net(**changes: Any) -> PatchNet:
    """A patch network."""
    settings: dict[str, Any] = {"num_classes": 3, "width": 2, "patch_dim": 8, "sigma_init": 0.5}
    return PatchNet(**{**settings, "members": 2, "generator": stream(0), **changes})


def patches(name: str, message: str, **changes: Any) -> BadInput:
    """A line about a training of patch networks."""
    given: dict[str, Any] = {"net": patch_net(), "patches": BATCH.patches, "labels": BATCH.labels}
    given |= {"spec": TrainSpec(max_steps=2), **changes}
    return BadInput(name, lambda here: train_patch_net(**given), message)


def made(name: str, message: str, **changes: Any) -> BadInput:
    """A line about making a patch network."""
    return BadInput(name, lambda here: patch_net(**changes), message)


TEACHING: list[BadInput] = [
    taught("logits for a teacher", "", teacher=torch.zeros(N, K)),
    taught("the student as its teacher", "", student=SHARED, teacher=SHARED),
    taught("a teacher of other classes", "", teacher=nn.Linear(D, K + 1)),
    taught("no labels", "", labels=None),
    taught("labels of other samples", "", labels=Y[:-1]),
    taught("a weight below 0", "", weight=-1.0),
    taught("a loss by name", "", kd_loss="hinton"),
    taught("a loss that is one number", "", kd_loss=lambda s, t: (s - t).square().mean()),
    made("neurons of none", "", width=0),
    made("a power of 2", "", q=1.5),
    made("a start below 0", "", sigma_init=-1.0),
    patches("patches of another dimension", "", patches=BATCH.patches[..., :7]),
    patches("patches with NaN", "", patches=with_value(BATCH.patches, torch.nan)),
    patches("labels of no class", "", labels=BATCH.labels + 3),
    patches("labels of other samples", "", labels=BATCH.labels[:-1]),
    patches("minibatches without an order", "", spec=TrainSpec(method="sgd")),
    patches("a start at 0", "", net=patch_net(sigma_init=0.0)),
    BadInput("gates on no layer", lambda here: gate_layers(nn.ReLU(), generator=stream(0)), ""),
    BadInput("gates outside of a Sequential", lambda here: gate_layers(linear(), generator=stream(0)), ""),
    BadInput("a penalty without gates", lambda here: sparsify(linear(), X, Y, spec=replace(SPEC, weight_decay=0.0), penalty=L0Spec(), generator=stream(0)), ""),
    BadInput("weight decay beside gates", lambda here: sparsify(linear(), X, Y, spec=SPEC, penalty=L0Spec(), generator=stream(0)), ""),
]


def kernel(name: str, message: str, module: Any = None, **changes: Any) -> BadInput:
    """A line about a kernel."""
    module = linear if module is None else module
    return BadInput(name, lambda here: gram(module(), **{"x1": X[:4], **changes}), message)


def unsendable() -> nn.Module:
    """A module with a hook that no process can be sent."""
    module = linear()
    module.register_forward_hook(lambda module, inputs, output: output)
    return module


KERNELS: list[BadInput] = [
    kernel("a module that is frozen", "", lambda: linear().requires_grad_(False)),
    kernel("a module without parameters", "", nn.Identity),
    kernel("dropout in train mode", "", lambda: nn.Sequential(linear(), nn.Dropout())),
    kernel("BatchNorm in train mode", "", normed()),
    kernel("outputs that are a tuple", "", lambda: nn.RNN(D, K)),
    kernel("a module of other samples", "", lambda: nn.Linear(D + 1, K)),
    kernel("no samples", "", x1=X[:0]),
    kernel("samples with NaN", "", x1=with_value(X[:4], torch.nan)),
    kernel("samples of two shapes", "", x2=X[:4, :3]),
    kernel("samples of two types", "", x2=X[:4].double()),
    kernel("an unknown way", "", method="fast"),
    kernel("a precision that is none", "", dtype=torch.int64),
    BadInput("a kernel that is not square", lambda here: solve(torch.ones(3, 4).double(), torch.ones(3, 2).double(), 0.1), ""),
    BadInput("a kernel on disk of all outputs", lambda here: fill_tiles(here, linear(), X[:4], outputs="full"), ""),
    BadInput("tiles of nothing", lambda here: fill_tiles(here, linear(), X[:4], tile=0), ""),
    BadInput("an executor by name", lambda here: fill_tiles(here, linear(), X[:4], executor="dask"), ""),
    BadInput("a module that cannot be sent", lambda here: fill_tiles(here, unsendable(), X[:4], executor=ThreadPoolExecutor(1)), ""),
    BadInput("a folder that is a number", lambda here: fill_tiles(3, linear(), X[:4]), ""),
]
