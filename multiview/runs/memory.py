"""Memory that a program has freed is kept for what it asks for next."""

import contextlib
import ctypes

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
