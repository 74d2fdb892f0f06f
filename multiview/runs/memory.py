"""Memory: whether there is enough, and that what is freed is kept for what comes next."""

import contextlib
import ctypes
from collections.abc import Iterator
from pathlib import Path

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # glibc's names and numbers
MOST_KEPT = 2**25  # bytes of one block: the largest that glibc lets a program say
ALWAYS = 2**31 - 1


def keep_freed_memory() -> None:
    """Have the C library keep freed blocks of up to 32 MiB, where it is glibc; else do nothing.

    Otherwise it hands them back to the system, which gives them page by page again, each set to
    zero: about a seventh of the time in which a FastNet is trained on a CPU. What a process takes
    at most hardly changes, and no result does.
    """
    elsewhere = (OSError, AttributeError, TypeError)  # another system, another C library
    with contextlib.suppress(*elsewhere):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, MOST_KEPT)
        mallopt(M_TRIM_THRESHOLD, ALWAYS)


def free_memory(root: Path = Path("/")) -> int | None:
    """Bytes that programs may still take here, or None where that is not known.

    What a container may take is less than what the machine has; what its files have in the cache
    is given back when it is needed, and counts as free.

    Args:
        root: Where ``proc`` and ``sys`` lie.
    """
    with contextlib.suppress(OSError, ValueError):
        words = (root / "proc/meminfo").read_text().split()
        free = 1024 * int(words[words.index("MemAvailable:") + 1])
        return min([free, *_left_to_groups(root)])
    return None


def _left_to_groups(root: Path) -> Iterator[int]:
    """Bytes left to the group of this process, and to each above it, where they have a limit."""
    groups = root / "proc/self/cgroup"
    for line in groups.read_text().splitlines() if groups.exists() else ():
        _, kinds, place = line.split(":", 2)
        if kinds not in ("", "memory"):
            continue
        top, names = root / "sys/fs/cgroup", ("memory.max", "memory.current", "inactive_file")
        if kinds:  # the first version of groups
            top /= kinds
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        own = top / place.lstrip("/")
        for group in (own, *own.parents):
            with contextlib.suppress(OSError, ValueError):  # the topmost has no limit
                most, taken = (int((group / name).read_text()) for name in names[:2])
                known = (group / "memory.stat").read_text().split()
                yield most - taken + int(known[known.index(names[2]) + 1])
            if group == top:
                break


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
