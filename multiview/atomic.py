"""Files that are there whole or not at all, and what killed writers leave of them."""

import contextlib
import errno
import os
import re
import time
import uuid
from pathlib import Path

from multiview.process import is_alive, process_space

TEMPORARY = re.compile(r"\..+?\.(?:([0-9a-f]{8})-(\d+)\.)?[0-9a-f]{32}\.tmp")
STALE_AFTER = 24 * 3600.0  # seconds


def write_atomically(path: Path, data: bytes) -> None:
    """Put ``data`` at ``path`` so that no reader, kill or full disk ever leaves a part of it.

    The name of the temporary file is hidden, ends in ``.tmp`` and is new to every call, so that
    processes and machines may write the same path at once; the last one wins.

    Raises:
        OSError: If it cannot be written; the error names ``path``.
    """
    writer = f"{process_space()}-{os.getpid()}"
    temporary = path.with_name(f".{path.name}.{writer}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError) and error.errno is not None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def check_writable(path: Path) -> None:
    """Raise an error unless ``write_atomically`` could write ``path`` now; leaves nothing there.

    Raises:
        OSError: If it could not; the error names ``path``.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    probe = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        probe.open("xb").close()
        probe.unlink()
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def remove_stale(directory: Path) -> list[Path]:
    """Remove what killed writers left in ``directory`` and below; returns the paths.

    A file is removed if its writer cannot be alive: its name holds the process that wrote it and
    where that number means this process, and there is no such process here, so nobody else's file
    is touched. Other files, of other machines, containers or boots, cannot be asked about. They are
    removed when they have not been written to for a day, although each is written in one go; even
    the clock of a file server is not so wrong. A file of a living process here is always kept.
    """
    removed = []
    for folder, _, names in os.walk(directory):  # not rglob: a folder may vanish while it is read
        for path in (Path(folder, name) for name in names if TEMPORARY.fullmatch(name)):
            with contextlib.suppress(OSError):  # gone by now, or not ours to remove
                if _is_stale(path):
                    path.unlink()
                    removed.append(path)
    return removed


def _is_stale(path: Path) -> bool:
    name = TEMPORARY.fullmatch(path.name)
    if name is None:
        return False
    space, process = name.groups()
    if space == process_space():
        return not is_alive(int(process))
    return time.time() - path.stat().st_mtime > STALE_AFTER
