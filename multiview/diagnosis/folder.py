"""A folder of networks of one kind, as ``multiview.models.save`` writes them."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from multiview import checks
from multiview.diagnosis.outputs import evaluated
from multiview.models.description import describe
from multiview.models.files import load
from multiview.models.members import SingleMember

PATTERN = "*.safetensors"
TRIED = 2  # samples on which it is tried whether networks take them


def nets_in(folder: Path) -> dict[str, nn.Module]:
    """The networks of all files ``*.safetensors`` in a folder, by file name, sorted.

    Raises:
        ValueError: If there is no such folder, it has fewer than two files, one of them was not
            written by ``save``, or they do not hold networks of one class with equal arguments.
        OSError: If a file cannot be read.
    """
    if not folder.is_dir():
        raise ValueError(
            f"folder={folder} is not a directory: name one that holds networks saved by "
            "multiview.models.save."
        )
    paths = sorted(folder.glob(PATTERN))
    if len(paths) < 2:
        raise ValueError(
            f"folder={folder} holds {len(paths)} files {PATTERN}: what an average gains shows "
            "between networks, save two or more there by multiview.models.save."
        )
    nets = {path.name: load(path) for path in paths}
    first = paths[0].name
    for name, net in nets.items():
        if describe(net) != describe(nets[first]):
            raise ValueError(
                f"folder={folder} holds {_kind(nets[first])} in {first} and {_kind(net)} in "
                f"{name}: keep networks of one class and size in a folder."
            )
    return nets


def classifiers(
    nets: Mapping[str, nn.Module], inputs: Tensor, labels: Tensor, where: str
) -> list[nn.Module]:
    """The networks as classifiers of these samples, tried on the first of them.

    Args:
        where: What the samples are called in errors.

    Raises:
        ValueError: If a network does not take such inputs, gives other than logits (n, k) or those
            of one member, (n, 1, k), or tells fewer classes apart than the labels name.
    """
    found = []
    for name, net in nets.items():
        net = net.float()  # as the samples are
        try:
            with evaluated([net]), torch.no_grad():
                logits = net(inputs[:TRIED])
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            reason = str(error).splitlines()[0].rstrip(".")
            raise ValueError(
                f"{name} does not take inputs {tuple(inputs.shape)} of {where} ({reason}): give "
                "samples like those it was trained on."
            ) from error
        if isinstance(logits, Tensor) and logits.dim() == 3 and logits.shape[1] == 1:
            net, logits = SingleMember(net), logits[:, 0]
        if not isinstance(logits, Tensor) or logits.dim() != 2:
            raise ValueError(
                f"{name} gives {checks.shown(logits)}, not logits (n, k) of one network: save each "
                "network alone, of a PatchNet each net.member(i)."
            )
        if int(labels.max()) >= logits.shape[1]:
            raise ValueError(
                f"labels of {where} go up to {int(labels.max())} and {name} tells "
                f"{logits.shape[1]} classes apart: give samples of the classes it was trained on."
            )
        found.append(net)
    return found


def _kind(net: nn.Module) -> str:
    """The class of a network and its arguments, in one line."""
    found = describe(net)
    arguments = ", ".join(
        f"{name}={value if isinstance(value, str) else json.dumps(value, default=str)}"
        for name, value in found["arguments"].items()
    )
    return f"{found['class']}({arguments})"
