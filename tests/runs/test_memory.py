"""Freed memory is kept."""

import ctypes
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

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


def machine(tmp_path: Path, groups: str, files: Mapping[str, str]) -> Path:
    """A root with 8 GiB of memory that are free, and groups of processes."""
    texts = {"proc/meminfo": "MemTotal: 9999 kB\nMemAvailable: 8388608 kB\n"}
    for name, text in (texts | {"proc/self/cgroup": groups} | dict(files)).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_free_memory_is_that_of_the_machine_where_groups_have_no_limit(tmp_path):
    root = machine(tmp_path, "0::/job/step", {"sys/fs/cgroup/job/memory.max": "max"})
    assert memory.free_memory(root) == 8 * 2**30


def test_a_group_above_may_leave_less_and_its_cache_counts_as_free(tmp_path):
    job = {"max": "5000", "current": "4000", "stat": "anon 1\ninactive_file 1500\nfile 2"}
    files = {f"sys/fs/cgroup/job/memory.{name}": text for name, text in job.items()}
    assert memory.free_memory(machine(tmp_path, "0::/job/step", files)) == 2500


def test_groups_of_the_first_version(tmp_path):
    files = {
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "7000",
        "sys/fs/cgroup/memory/memory.usage_in_bytes": "6000",
        "sys/fs/cgroup/memory/memory.stat": "total_inactive_file 500",
    }
    groups = "5:cpu:/\n4:memory:/"
    assert memory.free_memory(machine(tmp_path, groups, files)) == 1500


def test_a_machine_without_groups_has_what_it_has(tmp_path):
    root = machine(tmp_path, "", {})
    (root / "proc/self/cgroup").unlink()
    assert memory.free_memory(root) == 8 * 2**30


def test_where_nothing_is_known_nothing_is_refused(tmp_path, monkeypatch):
    assert memory.free_memory(tmp_path) is None
    monkeypatch.setattr(memory, "free_memory", lambda: None)
    memory.check_memory(1e15, 2)
