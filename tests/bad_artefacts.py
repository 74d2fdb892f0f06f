"""Bad files of tensors that are handed from process to process."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from bad_tiles import Runs, cut
from one_bad_input import BadInput
from safetensors.torch import save

from multiview.runs.artefacts import Artefacts, DamagedArtefact, content, read_artefact

WHOLE = content({"weight": torch.arange(6.0).view(2, 3)})


def artefact(name: str, spoil: Callable[[Path], Any], message: str) -> BadInput:
    """A line about a file of which something is spoilt."""

    def prepare(here: Path) -> None:
        (here / "a.safetensors").write_bytes(WHOLE)
        spoil(here / "a.safetensors")

    return BadInput(
        name,
        lambda here: read_artefact(here / "a.safetensors"),
        message,
        error=DamagedArtefact,
        prepare=prepare,
    )


def put(data: bytes) -> Callable[[Path], Any]:
    """Put this into the file."""
    return lambda path: path.write_bytes(data)


def header(**entries: Any) -> bytes:
    """A file with such a header and no numbers."""
    text = json.dumps(entries).encode()
    return len(text).to_bytes(8, "little") + text


HUGE = {"dtype": "F32", "shape": [2**40, 2**20], "data_offsets": [0, 2**62]}
ARTEFACTS: list[BadInput] = [
    artefact(
        "an empty file",
        put(b""),
        "{here}/a.safetensors: no such file of tensors (Expecting value: line 1 column 1 (char 0))",
    ),
    artefact(
        "a file cut short",
        cut,
        "{here}/a.safetensors: no such file of tensors (Unterminated string "
        "starting at: line 1 column 27 (char 26))",
    ),
    artefact(
        "a pickle",
        put(pickle.dumps(Runs())),
        "{here}/a.safetensors: no such file of tensors ('utf-32-be' codec can't "
        "decode bytes in position 4-7: code point not in range(0x110000))",
    ),
    artefact(
        "other numbers",
        put(WHOLE[:-1] + b"x"),
        "{here}/a.safetensors: its tensors do not match its digest",
    ),
    artefact(
        "tensors without a digest",
        put(save({"weight": torch.ones(2)})),
        "{here}/a.safetensors: no such file of tensors ('__metadata__')",
    ),
    artefact(
        "a digest of other tensors",
        put(save({"weight": torch.ones(2)}, {"digest": "0"})),
        "{here}/a.safetensors: its tensors do not match its digest",
    ),
    artefact(
        "a header of exabytes",
        put((2**62).to_bytes(8, "little") + b"{}"),
        "{here}/a.safetensors: no such file of tensors ('__metadata__')",
    ),
    artefact(
        "a tensor of exabytes",
        put(header(__metadata__={"digest": "0"}, weight=HUGE)),
        "{here}/a.safetensors: no such file of tensors (Error while deserializing: "
        "overflow computing buffer size from shape and/or element type)",
    ),
    artefact(
        "a header that is a list",
        put((2).to_bytes(8, "little") + b"[]"),
        "{here}/a.safetensors: no such file of tensors (list indices must be "
        "integers or slices, not str)",
    ),
    BadInput(
        "a description that holds a tensor",
        lambda here: Artefacts(folder=here, version="v").path({"weight": torch.ones(1)}),
        "dict['weight']=tensor([1.]) cannot stand in a cell: use finite numbers, "
        "strings, booleans, None, and tuples, mappings and dataclasses of them.",
    ),
]
