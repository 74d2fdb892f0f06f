"""A sweep for which the disk has no room is refused; one that fills it says what to remove."""

import errno
import os
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from toy_experiment import EXPERIMENT

from multiview.bench.cost import Cost
from multiview.runs.disk import check_disk, size_of, what_to_free
from multiview.runs.script import ERROR, USAGE, run_script


def left(folder: Path, size: int) -> None:
    """A file of zeros in a new folder."""
    folder.mkdir(parents=True)
    (folder / "net.safetensors").write_bytes(bytes(size))


def nearly_full(monkeypatch: pytest.MonkeyPatch, free: float) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free))


def test_there_must_be_room_for_what_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nearly_full(monkeypatch, 2e9)
    check_disk(tmp_path / "not" / "there", 2e9)
    with pytest.raises(
        ValueError, match=rf"2\.0 GB are free in {tmp_path}, .* up to 2\.1 GB.*--out"
    ):
        check_disk(tmp_path / "not" / "there", 2.1e9)


def test_what_may_be_removed_is_named_largest_first(tmp_path: Path) -> None:
    assert "remove" not in what_to_free(tmp_path / "toy")
    left(tmp_path / "few" / "artefacts", 2_000_000)
    left(tmp_path / "many" / "artefacts" / "deeper", 9_000_000)
    left(tmp_path / "killed" / "key.unfinished", 4_000_000)
    left(tmp_path / "tiny" / "artefacts", 10)
    left(tmp_path / "few" / "leases", 90_000_000)  # not to be removed
    said = what_to_free(tmp_path / "toy")
    names = ["many/artefacts (0.009 GB)", "key.unfinished (0.004 GB)", "few/artefacts (0.002 GB)"]
    places = [said.index(name) for name in names]
    assert places == sorted(places)
    assert "tiny" not in said
    assert "leases" not in said
    assert size_of(tmp_path / "many") == 9_000_000


def test_a_script_refuses_what_has_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    nearly_full(monkeypatch, 1e9)
    cost = Cost(text="much", memory=0.0, disk=5e9)
    experiment = replace(EXPERIMENT, cost=lambda cells, context: cost)
    assert run_script(experiment, ["--out", str(tmp_path), "--preset", "smoke"]) == USAGE
    assert "1.0 GB are free" in capfd.readouterr().err
    assert not list(tmp_path.iterdir())


def _fill(*given: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "row.json")


def test_a_disk_that_fills_is_told_with_what_to_remove(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    left(tmp_path / "done" / "artefacts", 3_000_000)
    monkeypatch.setattr("multiview.runs.work.write_row", _fill)
    assert run_script(EXPERIMENT, ["--out", str(tmp_path), "--preset", "smoke"]) == ERROR
    said = " ".join(capfd.readouterr().err.split())
    assert "No space left on device" in said
    assert f"{tmp_path}/done/artefacts (0.003 GB)" in said
