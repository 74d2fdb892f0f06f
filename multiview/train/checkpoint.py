"""Checkpoint: a training on disk, from which it goes on to the same bits."""

import hashlib
import io
import time
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from multiview import checks
from multiview.atomic import write_atomically

AFTER = "after"  # in the description of a training that goes on from another


@dataclass(kw_only=True)
class Checkpoint:
    """Where a training is kept, and how often.

    The file holds weights, buffers, the optimiser's state, the generators' and the place in the
    epoch; it is there whole or not at all. After the last step it holds the result.

    Raises:
        ValueError: If ``path`` is no path, ``seconds`` negative or ``strict`` no flag.
    """

    path: Path
    seconds: float = 60.0  # at least so long between two writes
    strict: bool = True  # refuse another training's file; otherwise warn, and begin anew
    _written: float = field(default_factory=time.monotonic, repr=False)

    def __post_init__(self) -> None:
        self.path = Path(checks.instance("path", self.path, (str, Path), "give the file's path"))
        self.seconds = checks.not_negative("seconds", self.seconds)
        self.strict = checks.flag("strict", self.strict)

    def due(self) -> bool:
        """Whether it is time to write again."""
        return time.monotonic() - self._written >= self.seconds

    def save(self, training: Mapping[str, str], state: Mapping[str, Any]) -> None:
        """Write ``state``, made of tensors and plain containers, of the described training."""
        buffer = io.BytesIO()
        torch.save({"training": dict(training), "state": dict(state)}, buffer)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self.path, buffer.getvalue())
        self._written = time.monotonic()

    def load(self, training: Mapping[str, str], until: int | None = None) -> dict[str, Any] | None:
        """What was saved of this training; None if there is nothing.

        A damaged file is named in a warning and counts as nothing.

        Args:
            until: The most epochs that may have been done, if the state counts any.

        Raises:
            OSError: If the file cannot be read, e.g. for want of permission.
            ValueError: If the file is of another training; the message says in what it differs. If
                it holds a state after ``until``. Only a warning where this is not ``strict``.
        """
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            of, state = _parse(content)
        except MemoryError:  # the file is whole, see _parse, and worth a machine with more memory
            raise
        except Exception as error:  # torch raises almost anything for what is not its own file
            reason = type(error).__name__  # torch's own message is a page on safety
            warnings.warn(
                f"{self.path} is no checkpoint ({reason}): the training begins anew.", stacklevel=2
            )
            return None
        # Of what it goes on, a training says only if it goes on from another.
        wanted = {**training, AFTER: training.get(AFTER)}
        if other := [name for name, value in wanted.items() if of.get(name) != value]:
            what = f"is of a training with other {', '.join(other)}"
        elif until is not None and _is_past(state, until):
            what = f"is past the epoch after which the training is to stop, until={until}"
        else:
            return state
        what = f"checkpoint {self.path} {what}"
        if self.strict:
            raise ValueError(f"{what}: remove it, or name another path.")
        warnings.warn(f"{what}: the training begins anew.", stacklevel=2)
        return None


def _is_past(state: Mapping[str, Any], until: int) -> bool:
    """Whether a training's state holds steps after so many epochs."""
    return state["epoch"] > until or (state["epoch"] == until and bool(state["losses"]))


def _parse(content: bytes) -> tuple[dict[str, str], dict[str, Any]]:
    """The description of the training and its state, from the bytes of a whole file.

    torch does not compare a file's checksums when it loads it, so that a damaged weight would be
    trained on; the checksums of the zip archive that it writes are compared here.

    Raises:
        Exception: Of any type, if these are not the bytes that ``save`` wrote.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if (damaged := archive.testzip()) is not None:
            raise zipfile.BadZipFile(f"the checksum of {damaged} does not match")
    stored = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    of, state = stored["training"], stored["state"]
    if not (isinstance(of, dict) and isinstance(state, dict)):
        raise TypeError("training and state are dicts")
    return of, state


def digest_of(values: Mapping[str, Any]) -> str:
    """Sixteen hexadecimal digits that change with any name, shape, type or value.

    Args:
        values: Tensors by name; what is none counts as it is written.
    """
    digest = hashlib.sha256()
    for name, value in values.items():
        if not isinstance(value, Tensor):
            digest.update(f"{name} {value!r}\0".encode())
            continue
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}\0".encode())
        plain = value.detach().cpu().contiguous()
        digest.update(plain.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """What plain containers hold that is none, by the keys and places that lead to it."""
    if isinstance(value, Mapping):
        inside = value.items()
    elif isinstance(value, list | tuple):
        inside = enumerate(value)
    else:
        yield name, value
        return
    for key, each in inside:
        yield from _leaves(each, f"{name}.{key}")


def description(
    module: nn.Module,
    inputs: Tensor,
    generator: torch.Generator,
    after: Mapping[str, Any] | None = None,
    **settings: Any,
) -> dict[str, str]:
    """What is looked at before a training is gone on with: its start, in words and digests.

    Args:
        after: What it takes over from another training, beside the weights; None where there is
            none, of which the description then says nothing.
    """
    few = inputs[:: max(1, len(inputs) // 64)]  # a data set takes seconds to read whole
    return {
        **{name: repr(value) for name, value in settings.items()},
        "inputs": f"{tuple(inputs.shape)} {digest_of({'': few})}",
        "initial weights": digest_of(module.state_dict()),
        "generator": digest_of({"": generator.get_state()}),
        **({} if after is None else {AFTER: digest_of(dict(_leaves(after)))}),
    }
