"""Bad command lines of `multiview diagnose`."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from one_bad_input import BadInput, usage
from saved_nets import asked, net, samples, saved
from tiny_images import write_mnist

from multiview.models import PatchNet, save
from multiview.rng import stream

INPUTS, LABELS = (each.numpy() for each in samples())
ASKED = "diagnose nets --samples samples.npz"
diagnose = partial(usage, code=1)


def both(*prepare: Callable[[Path], Any]) -> Callable[[Path], None]:
    """Prepare one thing after the other."""

    def prepared(here: Path) -> None:
        for each in prepare:
            each(here)

    return prepared


def also(**settings: int) -> Callable[[Path], None]:
    """Save one more network into the folder."""
    return lambda here: save(net(9, **settings), here / "nets" / "other.safetensors")


def twice(here: Path) -> None:
    """Overwrite one network with another."""
    shutil.copy(here / "nets" / "net_0.safetensors", here / "nets" / "net_1.safetensors")


def of_arrays(**arrays: np.ndarray) -> Callable[[Path], None]:
    """Networks, and a file of these arrays."""
    return both(saved, lambda here: asked(here, arrays))


def patch_nets(here: Path) -> None:
    """Networks of two members each."""
    folder = here / "nets"
    folder.mkdir()
    for seed in range(2):
        made = PatchNet(
            members=2, num_classes=3, width=2, patch_dim=4, generator=stream(seed, "init")
        )
        save(made, folder / f"net_{seed}.safetensors")


DIAGNOSES: list[BadInput] = [
    diagnose(
        "no samples",
        "diagnose nets",
        "data=None and samples=None, neither: name the samples by --data cifar10|cifar100|mnist "
        "with --data-dir DIR, or by --samples FILE.",
    ),
    diagnose(
        "two kinds of samples",
        "diagnose nets --data mnist --samples samples.npz",
        "data=mnist and samples=samples.npz, both of: name the samples by --data "
        "cifar10|cifar100|mnist with --data-dir DIR, or by --samples FILE.",
    ),
    diagnose(
        "no folder of images",
        "diagnose nets --data mnist",
        "data_dir=None: mnist is read from --data-dir: give the folder that holds it.",
    ),
    diagnose(
        "a number of images of a file",
        f"{ASKED} --images 100",
        "images=100 is about --data: leave --images out with --samples.",
    ),
    diagnose(
        "too few images",
        "diagnose nets --data mnist --data-dir . --images 20",
        "images=20: of so few the error of a network is known to more than 10 points, give at "
        "least 100.",
    ),
    diagnose(
        "more images than there are",
        "diagnose nets --data mnist --data-dir . --images 200",
        "images=200: mnist has 20 test images, ask for that many at most.",
        prepare=both(saved, write_mnist),
    ),
    diagnose(
        "a data set of few images",
        "diagnose nets --data mnist --data-dir .",
        "images=20: of so few the error of a network is known to more than 10 points, give at "
        "least 100.",
        prepare=both(saved, write_mnist),
    ),
    diagnose(
        "an average of one",
        f"{ASKED} --sizes 1",
        "sizes[0]=1 in sizes=(1,) counts networks: use sizes[0] >= 2, an integer.",
    ),
    diagnose(
        "an unknown device",
        f"{ASKED} --device abacus",
        "device='abacus' is not available here ({torch_says}): use cpu.",
    ),
    diagnose(
        "no such folder",
        ASKED,
        "folder=nets is not a directory: name one that holds networks saved by "
        "multiview.models.save.",
    ),
    diagnose(
        "an empty folder",
        ASKED,
        "folder=nets holds 0 files *.safetensors: what an average gains shows between networks, "
        "save two or more there by multiview.models.save.",
        prepare=lambda here: (here / "nets").mkdir(),
    ),
    diagnose(
        "one network alone",
        ASKED,
        "folder=nets holds 1 files *.safetensors: what an average gains shows between networks, "
        "save two or more there by multiview.models.save.",
        prepare=lambda here: saved(here, 1),
    ),
    diagnose(
        "networks of other sizes",
        ASKED,
        "folder=nets holds MLP(input_shape=[1, 4, 4], num_classes=3, widths=[8], "
        "input_dropout=0.0, dropout=0.0) in net_0.safetensors and MLP(input_shape=[1, 4, 4], "
        "num_classes=3, widths=[9], input_dropout=0.0, dropout=0.0) in other.safetensors: keep "
        "networks of one class and size in a folder.",
        prepare=both(saved, also(width=9)),
    ),
    diagnose(
        "a file that is no network",
        ASKED,
        "nets/other.safetensors is no whole safetensors file (Error while deserializing header: "
        "header too small): get it again, or save the network anew.",
        prepare=both(saved, lambda here: (here / "nets" / "other.safetensors").write_bytes(b"no")),
    ),
    diagnose(
        "networks of several members",
        ASKED,
        "net_0.safetensors gives tensor of shape (2, 2, 3) and torch.float32, not logits (n, k) "
        "of one network: save each network alone, of a PatchNet each net.member(i).",
        prepare=both(patch_nets, partial(asked, arrays={"inputs": INPUTS[:, 0], "labels": LABELS})),
    ),
    diagnose(
        "samples of another form",
        ASKED,
        "net_0.safetensors does not take inputs (120, 1, 3, 3) of samples.npz (inputs x have "
        "shape (2, 1, 3, 3): use (n, *input_shape) with input_shape=(1, 4, 4)): give samples like "
        "those it was trained on.",
        prepare=of_arrays(inputs=INPUTS[..., :3, :3], labels=LABELS),
    ),
    diagnose(
        "no file of samples",
        ASKED,
        "Cannot read or write samples.npz: No such file or directory",
        prepare=saved,
    ),
    diagnose(
        "samples in a spreadsheet",
        "diagnose nets --samples samples.csv",
        "samples=samples.csv must end in .npz or .safetensors: name such a file.",
        prepare=saved,
    ),
    diagnose(
        "samples without labels",
        ASKED,
        "samples=samples.npz lacks labels, it holds inputs: save the arrays inputs (n, ...) and "
        "labels (n,).",
        prepare=of_arrays(inputs=INPUTS),
    ),
    diagnose(
        "samples of other names",
        ASKED,
        "samples=samples.npz lacks inputs, it holds x, y: save the arrays inputs (n, ...) and "
        "labels (n,).",
        prepare=of_arrays(x=INPUTS, y=LABELS),
    ),
    diagnose(
        "the same network twice",
        ASKED,
        "net_0.safetensors and net_1.safetensors give the same logits: use networks that were "
        "trained from different random starts.",
        prepare=both(of_arrays(inputs=INPUTS, labels=LABELS), twice),
    ),
    diagnose(
        "labels that are no classes",
        ASKED,
        "samples=samples.npz: labels are tensor of shape (120,) and torch.float32, give the "
        "classes as integers (n,).",
        prepare=of_arrays(inputs=INPUTS, labels=LABELS.astype("float32")),
    ),
    diagnose(
        "labels of other classes",
        ASKED,
        "labels of samples.npz go up to 5 and net_0.safetensors tells 3 classes apart: give "
        "samples of the classes it was trained on.",
        prepare=of_arrays(inputs=INPUTS, labels=LABELS + 3),
    ),
    diagnose(
        "too few samples",
        ASKED,
        "samples=30: of so few the error of a network is known to more than 10 points, give at "
        "least 100.",
        prepare=of_arrays(inputs=INPUTS[:30], labels=LABELS[:30]),
    ),
    diagnose(
        "samples that would be unpickled",
        ASKED,
        "samples=samples.npz is no whole .npz file of numbers (Object arrays cannot be loaded "
        "when allow_pickle=False): write it anew, such as by numpy.savez(FILE, inputs=..., "
        "labels=...).",
        prepare=of_arrays(inputs=np.array([{}] * 120, dtype=object), labels=LABELS),
    ),
]
