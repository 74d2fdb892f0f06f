"""Networks in files: numbers in safetensors, class and arguments as JSON; nothing is unpickled."""

import hashlib
import json
from collections.abc import Mapping
from itertools import pairwise
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

import multiview
from multiview import checks
from multiview.atomic import write_atomically
from multiview.models.description import build, describe

KEY = "multiview.models"  # of what is said of the network, in the file's metadata
FIELDS = {"net", "tied", "frozen", "train", "version", "provenance", "digest"}


def save(
    net: nn.Module, path: str | PathLike[str], *, provenance: Mapping[str, Any] | None = None
) -> None:
    """Write a network of this package into one file, from which ``load`` makes it again.

    The file is a safetensors file, which other programs can read: parameters and buffers by name,
    with their types, and as metadata the class, its arguments, the version of this package and the
    provenance. Tensors that are one and the same, as in ``RocketNets``, are written once. What is
    there already is replaced, when the whole new file is written.

    Args:
        net: Of a class of ``multiview.models``, on any device. Which tensors are trained, and
            whether the whole is in train or eval mode, is kept; hooks are not.
        path: Of the file, usually ``*.safetensors``; its folder exists.
        provenance: What there is to say about where the network comes from: data, settings, seed,
            errors; anything that JSON holds.

    Raises:
        ValueError: If the network is of another class or no longer what its class builds, if two of
            its tensors share some memory but not all, or if ``provenance`` is no JSON.
        OSError: If the file cannot be written.
    """
    checks.module("net", net)
    path = _path(path)
    about: dict[str, Any] = {"net": describe(net), "version": multiview.__version__}
    about["provenance"] = _plain(provenance)
    tensors = {**dict(net.named_parameters(remove_duplicate=False))}
    tensors |= dict(net.named_buffers(remove_duplicate=False))
    first: dict[int, str] = {}
    about["tied"] = {}
    for name, value in tensors.items():
        if first.setdefault(id(value), name) != name:
            about["tied"][name] = first[id(value)]
    single = {name: tensors[name] for name in first.values()}
    _check_memory(single)
    about["frozen"] = [
        name for name, value in single.items() if not value.requires_grad and _is_parameter(value)
    ]
    about["train"] = net.training
    plain = {
        name: torch.clone(value.detach().cpu(), memory_format=torch.contiguous_format)
        for name, value in single.items()
    }
    about["digest"] = _digest(about, plain)
    write_atomically(path, to_bytes(plain, {KEY: json.dumps(about, sort_keys=True)}))


def load(path: str | PathLike[str]) -> nn.Module:
    """The network that ``save`` wrote, to the last bit, on the CPU.

    Only classes of ``multiview.models`` are built and nothing in the file is run, so a file of
    unknown origin can do no more harm than to ask for much memory and time.

    Raises:
        ValueError: If the file is not whole, is damaged, was not written by ``save``, or its
            tensors are not those of the network that it says it holds.
        OSError: If there is no such file, or it cannot be read.
    """
    path = _path(path)
    about, tensors = _read(path)
    try:
        net = build(about["net"])
    except ValueError as error:
        raise ValueError(f"{path} holds no network that can be built: {error}") from error
    tied, frozen = about["tied"], about["frozen"]
    _check_tensors(path, net, tensors, tied)
    parameters = {name for name, _ in net.named_parameters(remove_duplicate=False)}
    if strange := {*frozen} - parameters:
        raise ValueError(f"{path} freezes {', '.join(sorted(strange))}, which are no parameters.")
    values: dict[str, Tensor] = {
        name: nn.Parameter(value, False) if name in parameters else value
        for name, value in tensors.items()
    }
    # One object under several names: so what was tied is tied again.
    values |= {name: values[first] for name, first in tied.items()}
    net.load_state_dict(values, assign=True)
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(name not in frozen)
    return net.train(about["train"])


def read_description(path: str | PathLike[str]) -> dict[str, Any]:
    """What a file written by ``save`` says of its network, without building it.

    Returns:
        Its class and arguments ("net"), the version of this package that wrote it ("version"), and
        the "provenance".

    Raises:
        ValueError: As ``load``.
        OSError: As ``load``.
    """
    about, _ = _read(_path(path))
    return {name: about[name] for name in ("net", "version", "provenance")}


def _path(path: Any) -> Path:
    if not isinstance(path, str | PathLike) or not str(path):
        raise ValueError(f"path={checks.shown(path)} names no file: give a path.")
    return Path(path)


def _plain(provenance: Any) -> Any:
    """The provenance, refused unless JSON gives it back as it is."""
    if provenance is None:
        return {}
    remedy = "give a dict of names to texts, numbers, True, False, None, lists and dicts of them"
    try:
        kept = json.loads(json.dumps(provenance, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(
            f"provenance={checks.shown(provenance)} is no JSON ({error}): {remedy}."
        ) from error
    if not isinstance(kept, dict) or kept.keys() != provenance.keys():
        raise ValueError(f"provenance={checks.shown(provenance)} is no dict of names: {remedy}.")
    return kept


def _is_parameter(value: Tensor) -> bool:
    return isinstance(value, nn.Parameter)


def _check_memory(tensors: Mapping[str, Tensor]) -> None:
    """Refuse tensors that share memory without being one: in a file they would be two."""
    seen: list[tuple[str, int, int, str]] = []
    for name, value in tensors.items():
        if value.numel():
            begin = value.data_ptr()
            spans = zip(value.shape, value.stride(), strict=True)
            last = sum((size - 1) * stride for size, stride in spans)
            end = begin + (last + 1) * value.element_size()
            seen.append((str(value.device), begin, end, name))
    for (place, _, end, one), (here, begin, _, other) in pairwise(sorted(seen)):
        if place == here and begin < end:
            raise ValueError(
                f"net has tensors {one} and {other} that share memory and are not the same "
                "parameter: give one of them a clone, or both modules the same parameter."
            )


def _digest(about: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """A digest that changes with anything said and any number."""
    said = {name: value for name, value in about.items() if name != "digest"}
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(f"\0{name} {tuple(value.shape)} {value.dtype}\0".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What a file says, and its tensors."""
    path.open("rb").close()  # or an OSError that names it
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"{path} is no whole safetensors file ({error}): get it again, or save the network "
            "anew."
        ) from error
    try:
        about = json.loads(metadata[KEY])
    except KeyError:
        raise ValueError(
            f"{path} holds tensors alone, and not what network they are of: it was not written by "
            "multiview.models.save; build the network and use its load_state_dict."
        ) from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} does not say what it holds ({error}): save it anew.") from error
    if not isinstance(about, dict) or not _is_complete(about):
        raise ValueError(
            f"{path} does not say what it holds, {', '.join(sorted(FIELDS))}: save it anew."
        )
    if about["digest"] != _digest(about, tensors):
        raise ValueError(
            f"{path} has been altered, it does not match its digest: get it again, or save the "
            "network anew."
        )
    return about, tensors


def _is_complete(about: dict[str, Any]) -> bool:
    """Whether all that is said of a network is there, and of its kind."""
    if about.keys() != FIELDS:
        return False
    tied, frozen = about["tied"], about["frozen"]
    ties = isinstance(tied, dict) and all(isinstance(name, str) for name in tied.values())
    names = isinstance(frozen, list) and all(isinstance(name, str) for name in frozen)
    return ties and names and isinstance(about["train"], bool)


def _check_tensors(
    path: Path, net: nn.Module, tensors: Mapping[str, Tensor], tied: Mapping[str, str]
) -> None:
    """Refuse tensors that are not those of the network."""
    wanted = net.state_dict()
    given = tensors.keys() | tied.keys()
    for what, names in (("lacks", wanted.keys() - given), ("has besides", given - wanted.keys())):
        if names:
            raise ValueError(
                f"{path} holds {type(net).__name__} and {what} its tensors "
                f"{', '.join(sorted(names))}: save the network anew."
            )
    for name, value in wanted.items():
        found = tensors.get(tied.get(name, name))
        if found is None:
            raise ValueError(
                f"{path} ties {name} to a tensor that it lacks: save the network anew."
            )
        floats = found.is_floating_point() and value.is_floating_point()
        if found.shape != value.shape or not (floats or found.dtype == value.dtype):
            raise ValueError(
                f"{path} holds {name} as {checks.shown(found)}, and {type(net).__name__} has "
                f"{checks.shown(value)}: save the network anew."
            )
