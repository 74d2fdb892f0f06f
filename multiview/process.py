"""Processes by number: where a number means the same process, and whether it is alive."""

import contextlib
import hashlib
import os
import socket
import uuid
from functools import cache
from pathlib import Path


def is_alive(process: int) -> bool:
    """Whether there may be such a process on this machine."""
    if os.name != "posix":  # where signal 0 is not a question
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # somebody else's
        return True
    return True


@cache
def process_space() -> str:
    """Eight hexadecimal digits for where process numbers mean the same: machine, boot, container.

    Names of machines do not suffice: those of two containers, or of two machines on one file
    system, may be equal.
    """
    parts, node = [socket.gethostname()], uuid.getnode()
    if not node >> 40 & 1:  # else a random number, new in each process
        parts.append(f"{node:x}")
    for source, read in (
        ("/proc/sys/kernel/random/boot_id", lambda path: Path(path).read_text()),
        ("/proc/self/ns/pid", os.readlink),
    ):
        with contextlib.suppress(OSError):
            parts.append(read(source))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:8]
