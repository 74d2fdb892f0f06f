"""Memory: whether there is enough, and that what is freed is kept for what comes next."""

import contextlib
import ctypes
from pathlib import Path

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # glibc's names and numbers
MOST_KEPT = 2**25  # bytes of one block: the largest that glibc lets a program say
ALWAYS = 2**31 - 1


def keep_freed_memory() -> None:
    """Have the C library keep freed blocks of up to 32 MiB, where it is glibc; else do nothing.

    Otherwise it hands them back to the system, which gives them page by page again, each set to
    zero: a tenth of the time in which convolutional networks are trained on a CPU. What a process
    takes at most hardly changes, and no result does.
    """
    with contextlib.suppress(
        OSError, AttributeError, TypeError
    ):  # another system, another C library
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, MOST_KEPT)
        mallopt(M_TRIM_THRESHOLD, ALWAYS)


def free_memory() -> int | None:
    """Bytes that programs may still take here, or None where that is not known."""
    with contextlib.suppress(OSError, ValueError):
        words = Path("/proc/meminfo").read_text().split()
        free = 1024 * int(words[words.index("MemAvailable:") + 1])
        with contextlib.suppress(OSError, ValueError):  # a container may have less
            group = Path("/sys/fs/cgroup")
            most, taken = ((group / f"memory.{name}").read_text() for name in ("max", "current"))
            free = min(free, int(most) - int(taken))
        return free
    return None


def check_memory(each: float, processes: int) -> None:
    """Refuse processes that take more memory together than there is.

    Args:
        each: Bytes that a process takes.

    Raises:
        ValueError: If they do.
    """
    free = free_memory()
    if free is None or each * processes <= free:
        return
    of_each = f"{each / 1e9:.1f} GB"
    needed = f"{processes} processes of {of_each}" if processes > 1 else f"a process of {of_each}"
    fewer = int(free / each)
    remedy = f"use --workers {fewer}, or " if 0 < fewer < processes else ""
    raise ValueError(
        f"{free / 1e9:.1f} GB of memory are free, and this takes {needed}: {remedy}a preset of "
        "fewer images or smaller networks, or a machine with more memory."
    )
