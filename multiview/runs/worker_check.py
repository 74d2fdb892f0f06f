"""What a worker must have: the folder of results, and the source that its cells depend on.

Workers that somebody else has started may run on another machine, in another folder or since
before an edit. A row that they compute goes nowhere, or has a code version that did not make it.
"""

import contextlib
import hashlib
import importlib.util
import os
import socket
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from multiview.process import process_space
from multiview.runs.experiment import Experiment
from multiview.runs.places import place_of
from multiview.runs.source import read
from multiview.runs.version import canonical, reached

R = TypeVar("R")
# Of the bookkeeping, what writes rows and leases; the rest may differ.
WRITERS = ("multiview.runs.work", "multiview.runs.rows", "multiview.runs.leases")
WRITERS += ("multiview.runs.artefacts",)


class UnfitWorker(BrokenExecutor):
    """A worker lacks what the cells need; the message says what, and what would help."""


@dataclass(frozen=True)
class Needs:
    """What every worker is asked for.

    Attributes:
        probe: A file in the folder of results.
        token: What it holds.
        sources: Module and digest of the source that cells depend on.
    """

    probe: Path
    token: str
    sources: tuple[tuple[str, str], ...] = ()


@contextmanager
def needs_of(experiment: Experiment[Any, Any], folder: Path) -> Iterator[Needs]:
    """What the cells of an experiment need whose rows go to ``folder``; its probe stays within.

    Raises:
        OSError: If the folder cannot be written.
    """
    modules = {*reached(experiment.run, *experiment.makers()), *WRITERS}
    if experiment.run.__module__ == "__main__":  # sent along with each cell
        modules.discard(place_of(experiment.run)[0])
    sources = tuple((name, digest(name) or "") for name in sorted(modules))
    token = uuid.uuid4().hex
    # Named as of ``write_atomically``: if this process is killed, the next sweep removes it.
    probe = folder / f".probe.{process_space()}-{os.getpid()}.{token}.tmp"
    folder.mkdir(parents=True, exist_ok=True)
    probe.write_text(token)
    try:
        yield Needs(probe, token, sources)
    finally:
        probe.unlink(missing_ok=True)


@cache
def require(needs: Needs) -> None:
    """Return if this process has what is needed; the first call takes a fraction of a second.

    Raises:
        UnfitWorker: If it does not.
    """
    if reason := _lacks_folder(needs) or _lacks_source(needs):
        raise UnfitWorker(f"(process {os.getpid()} on {socket.gethostname()}) {reason}")


def call_if_fit(needs: Needs | None, call: Callable[[], R]) -> R:
    """Call something in a process that has what is needed, which workers that come late have not
    been asked."""
    if needs is not None:
        require(needs)
    return call()


@cache  # as it was when it was imported, or at least when it was first needed
def digest(module: str) -> str | None:
    """A hash of a module's source without comments and docstrings; None if it is not found."""
    with contextlib.suppress(ImportError, ValueError):
        spec = importlib.util.find_spec(module)
        if spec is not None and spec.origin is not None and Path(spec.origin).is_file():
            text = canonical(read(module, Path(spec.origin)).statements)
            return hashlib.sha256(text.encode()).hexdigest()[:16]
    return None


def _lacks_folder(needs: Needs) -> str:
    folder = needs.probe.parent
    remedy = "give --out a folder that all workers share"
    try:
        if needs.probe.read_text() != needs.token:
            return f"sees another folder at {folder}: {remedy}"
    except OSError as error:
        return f"does not see the results in {folder} ({error.strerror}): {remedy}"
    answer = needs.probe.with_name(f"{needs.probe.name}.{uuid.uuid4().hex}.tmp")
    try:
        answer.write_text(needs.token)
        answer.unlink()
    except OSError as error:
        return f"cannot write to {folder} ({error.strerror}): let it, or {remedy}"
    return ""


def _lacks_source(needs: Needs) -> str:
    for module, wanted in needs.sources:
        if (found := digest(module)) != wanted:
            what = "does not find" if found is None else "has another version of"
            return (
                f"{what} the module {module}: start the workers anew with the source that is "
                "here, where they can import it (PYTHONPATH)"
            )
    return ""
