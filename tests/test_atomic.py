"""Whole files: what a kill leaves, and what is removed of it."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from multiview import atomic
from multiview.atomic import remove_stale, write_atomically

WRITER = """
import os, sys, time
from pathlib import Path
from multiview.atomic import write_atomically
os.fsync = lambda descriptor: time.sleep(60)
write_atomically(Path(sys.argv[1]), b"half")
"""


def temporary_files(directory):
    return list(directory.rglob("*.tmp"))


@pytest.fixture
def writer(tmp_path):
    """A program in the midst of a write, one folder further down."""
    (tmp_path / "key.unfinished").mkdir()
    path = tmp_path / "key.unfinished" / "training.pt"
    program = subprocess.Popen([sys.executable, "-c", WRITER, path])
    while not temporary_files(tmp_path):
        assert program.poll() is None
        time.sleep(0.01)
    yield program
    program.kill()
    program.wait()


def test_a_living_writers_file_is_kept_and_a_killed_ones_removed(tmp_path, writer):
    found = temporary_files(tmp_path)
    day_before_yesterday = time.time() - 2 * atomic.STALE_AFTER
    os.utime(found[0], (day_before_yesterday, day_before_yesterday))  # e.g. it was suspended
    assert remove_stale(tmp_path) == []
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    assert remove_stale(tmp_path) == found
    assert temporary_files(tmp_path) == []


@pytest.mark.parametrize("writer", ["", "0123abcd-1."], ids=["an older version", "elsewhere"])
def test_files_of_other_machines_are_removed_by_age_alone(tmp_path, writer):
    path = tmp_path / f".key.json.{writer}{uuid.uuid4().hex}.tmp"
    path.write_text("{")
    now = time.time()
    for age, removed in ((0, []), (0.9, []), (1.1, [path])):
        written = now - age * atomic.STALE_AFTER
        os.utime(path, (written, written))
        assert remove_stale(tmp_path) == removed


def test_files_of_others_are_never_removed(tmp_path):
    for name in (".editor.tmp", "key.json.tmp", f"key.{uuid.uuid4().hex}.tmp", "key.json"):
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (0, 0))
    assert remove_stale(tmp_path) == []
    assert remove_stale(tmp_path / "nothing") == []


def test_a_file_that_cannot_be_removed_stops_nobody(tmp_path, monkeypatch):
    path = tmp_path / f".key.json.{uuid.uuid4().hex}.tmp"
    path.write_text("{")
    os.utime(path, (0, 0))

    def refused(self, missing_ok=False):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("pathlib.Path.unlink", refused)
    assert remove_stale(tmp_path) == []


def test_an_error_names_the_file_and_not_its_temporary_name(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        write_atomically(tmp_path / "nowhere" / "file", b"")
    assert error.value.filename == str(tmp_path / "nowhere" / "file")
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError) as error:
        write_atomically(tmp_path / "folder", b"")
    assert str(error.value).endswith(f"'{tmp_path / 'folder'}'")
    assert temporary_files(tmp_path) == []


def test_folders_that_come_and_go_meanwhile_stop_nobody(tmp_path):
    """Others remove the scratch folders of their cells."""
    over = threading.Event()

    def come_and_go(name):
        while not over.is_set():
            (tmp_path / name / "deep").mkdir(parents=True)
            (tmp_path / name / "deep" / "training.pt").write_bytes(b"")
            shutil.rmtree(tmp_path / name)

    with ThreadPoolExecutor(3) as others:
        try:
            running = [others.submit(come_and_go, f"{number}.unfinished") for number in range(3)]
            for _ in range(300):
                assert remove_stale(tmp_path) == []
        finally:
            over.set()
        assert [future.result() for future in running] == [None] * 3
