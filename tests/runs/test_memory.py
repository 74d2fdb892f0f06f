"""Freed memory is kept."""

import ctypes
import platform
import subprocess
import sys

import pytest

from multiview.runs import memory

GLIBC = platform.libc_ver()[0] == "glibc"
PROGRAM = """
import resource, sys
from multiview.runs.memory import keep_freed_memory
import numpy as np
if sys.argv[1] == "keep":
    keep_freed_memory()
blocks = [np.ones(20 * 2**20, np.uint8) for _ in range(8)]
del blocks
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    blocks = [np.ones(20 * 2**20, np.uint8) for _ in range(8)]
    del blocks
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(way: str) -> int:
    """Page faults of a program that asks for the same 160 MiB twenty times."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, way], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(not GLIBC, reason="other C libraries are left as they are")
def test_blocks_that_were_freed_are_used_again() -> None:
    assert faults("keep") < faults("as it is") / 10


def test_another_c_library_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other:
        """A library without mallopt."""

    monkeypatch.setattr(ctypes, "CDLL", lambda name: Other())
    memory.keep_freed_memory()
