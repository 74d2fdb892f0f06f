"""The compiled passes of patch_passes.c: built at first use, and kept in the user's cache."""

import ctypes
import hashlib
import logging
import os
import platform
import shlex
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import torch

SWITCH = "MULTIVIEW_COMPILED"  # environment variable; 0: torch's own operations instead
SOURCE = Path(__file__).with_name("patch_passes.c")
SECONDS = 60  # for the compiler, which takes about one

_log = logging.getLogger(__name__)


@cache
def library() -> ctypes.CDLL | None:
    """The compiled passes; None where they are switched off or cannot be had, which is logged."""
    if os.environ.get(SWITCH) == "0":
        return None
    try:
        return ctypes.CDLL(str(_built()))
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        said = str(getattr(error, "stderr", None) or error).strip().splitlines()
        _log.warning(
            "Patch networks train by torch's own operations, which is slower: %s (%s=0 asks for "
            "that)",
            said[0] if said else type(error).__name__,
            SWITCH,
        )
        return None


def _built() -> Path:
    """The library's path; it is compiled for this processor and this torch if it is not there.

    Raises:
        OSError: If there is no compiler, or the cache cannot be written.
        RuntimeError: If the user has no folder.
        subprocess.SubprocessError: If the compiler fails.
    """
    # torch's own threads: two pools of them would fight for the processors.
    found = sorted(Path(torch.__file__).parent.parent.glob("torch*/**/libgomp*.so*"))
    command = [*shlex.split(os.environ.get("CC", "cc")), "-O3", *_for_this_processor(), "-fopenmp"]
    command += ["-shared", "-fPIC", str(SOURCE), *map(str, found[:1])]
    made_of = (SOURCE.read_text(), *command, torch.__version__, _processor())
    key = hashlib.sha256("\0".join(made_of).encode()).hexdigest()[:16]
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "multiview"
    path = folder / f"patch_passes-{key}.so"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            new = Path(scratch) / path.name
            subprocess.run(
                [*command, "-o", str(new)],
                check=True,
                timeout=SECONDS,
                capture_output=True,
                text=True,
            )
            os.replace(new, path)  # whole, whoever else compiles it
    return path


def _for_this_processor() -> list[str]:
    return ["-march=native"] if _processor() else []


def _processor() -> str:
    """What the processor can do; empty where that is not known, and no cache could tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    can = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return can and f"{platform.machine()} {can}"
