"""Claims as they were when their run was first planned, so that later edits show."""

import hashlib
import json
import math
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from multiview.runs.claims import Claim
from multiview.runs.rows import plain_cell, row_paths
from multiview.runs.store import stored_runs


def registered(claim: Claim) -> dict[str, Any]:
    """What a run file keeps of a claim, so that a later edit shows. An open end is None."""
    return {
        "name": claim.name,
        "source": claim.source,
        "statement": claim.statement,
        "predicted": [end if math.isfinite(end) else None for end in claim.predicted],
        "kind": claim.kind,
        "decided": claim.decided,
        "primary": claim.primary,
        "digest": hashlib.sha256(claim.estimate.text.encode()).hexdigest()[:16],
    }


def edited(claim: Claim, registration: Mapping[str, Any] | None) -> list[str]:
    """The fields in which ``claim`` differs from its registration.

    "added" stands first if it has none, or was registered when rows had been seen.
    """
    if registration is None:
        return ["added"]
    now, added = registered(claim), ["added"] if registration.get("added") else []
    return added + [n for n in now if n not in registration or registration[n] != now[n]]


def registrations(
    claims: Iterable[Claim], directory: Path, label: str, cells: Iterable[Any]
) -> tuple[dict[str, Any], ...]:
    """The claims as the run was first planned with, then those added since.

    A claim that is registered when rows of these cells are stored is marked as added, also where
    no run is known: its file may have been removed.

    Args:
        directory: The folder of the experiment's rows.
        label: The run's.
    """
    known = [run for run in stored_runs(directory.parent, directory.name) if run.label == label]
    before = {claim["name"]: claim for run in known for claim in run.claims}
    new = [registered(claim) for claim in claims if claim.name not in before]
    keys = {key for run in known for key in run.keys}
    late = {"added": True} if new and any_stored(directory, cells, keys) else {}
    return (*before.values(), *({**each, **late} for each in new))


def any_stored(directory: Path, cells: Iterable[Any], keys: Collection[str]) -> bool:
    """Whether a row of one of these cells, made by whatever code, or of one of these keys is there.

    Rows are not compared with their digests, and their arrays are not read.
    """
    wanted = {_text(plain_cell(cell)) for cell in cells}
    paths = row_paths(directory)
    return any(path.stem in keys or _stored_cell(path) in wanted for path in paths)


def _stored_cell(path: Path) -> str | None:
    """The cell of a row as text; None where the file is damaged."""
    try:
        return _text(json.loads(path.read_bytes())["row"]["cell"])
    except (ValueError, TypeError, LookupError, RecursionError):
        return None


def _text(cell: Any) -> str:
    return json.dumps(cell, sort_keys=True)
