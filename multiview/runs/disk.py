"""Disk: whether there is room for what a sweep stores, and what may be removed to make some."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

ARTEFACTS = "artefacts"
REMOVABLE = (ARTEFACTS, "*.unfinished")  # in an experiment's folder; neither is a result
SHOWN = 3  # folders that are named
LEAST = 1e6  # bytes of a folder worth naming


def check_disk(folder: Path, needed: float) -> None:
    """Refuse to store more than there is room for.

    Args:
        folder: Of an experiment's results; it need not exist.
        needed: Bytes, those of its artefacts that are there already included.

    Raises:
        ValueError: If fewer are free.
    """
    needed -= size_of(folder / ARTEFACTS)  # which are stored already
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise ValueError(
            f"{free / 1e9:.1f} GB are free in {there}, and trained networks and checkpoints of "
            f"this take up to {needed / 1e9:.1f} GB: {what_to_free(folder)}"
        )


def what_to_free(folder: Path) -> str:
    """What may be removed of the results beside an experiment's folder, largest first, in words."""
    sizes = {path: size_of(path) for path in _removable(folder.parent)}
    largest = sorted((path for path in sizes if sizes[path] > LEAST), key=lambda path: -sizes[path])
    if not largest:
        return "name another place by --out, or free some space."
    listed = ", ".join(f"{path} ({sizes[path] / 1e9:.2g} GB)" for path in largest[:SHOWN])
    return (
        "name another place by --out, or remove trained networks and checkpoints of experiments "
        f"that are done or given up: {listed}."
    )


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder, of which some may vanish meanwhile."""
    found = 0
    for place, _, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(OSError):
                found += Path(place, name).stat().st_size
    return found


def _removable(results: Path) -> Iterator[Path]:
    for pattern in REMOVABLE:
        yield from results.glob(f"*/{pattern}")
