"""Artefacts: equal bits, computed once by many, and what becomes of dead holders and damage."""

import errno
import os
import pickle
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from toy_programs import wait_for

from multiview.runs import artefacts
from multiview.runs.artefacts import Artefacts, DamagedArtefact, content, read_artefact
from multiview.runs.experiment import Context
from multiview.runs.leases import claim

WHAT = {"seed": 3, "methods": ("one", "other")}
WEIGHT = torch.arange(6.0).view(2, 3)
LEFT = {
    "float": torch.tensor([0.1, -0.0, float("nan"), float("inf")]),
    "double": torch.tensor(1 / 3, dtype=torch.float64),
    "bfloat16": torch.tensor([[1.0, 3.0e38]], dtype=torch.bfloat16),
    "int": torch.tensor(2**60 + 1),
    "bool": torch.tensor([True, False]),
    "empty": torch.zeros(0, 4),
    "shared": WEIGHT,
    "shared too": WEIGHT,
    "a part": WEIGHT[1:],
    "turned": WEIGHT.T,
    "gradient": torch.nn.Parameter(torch.ones(2)),
}
PROGRAM = """
import sys, time
from pathlib import Path
import torch
from multiview.runs.artefacts import Artefacts

folder, seconds = Path(sys.argv[1]), float(sys.argv[2])

def compute():
    with (folder / "log").open("a") as log:
        log.write("computed\\n")
    time.sleep(seconds)
    return {"value": torch.tensor(7.0)}

store = Artefacts(folder=folder / "artefacts", version="v")
print(float(store({"seed": 3}, compute)["value"]))
"""


def bits(value):
    return value.dtype, value.shape, value.detach().contiguous().reshape(-1).view(torch.uint8)


def assert_equal(one, other):
    assert set(one) == set(other)
    for name in one:
        (*kind, left), (*same, right) = bits(one[name]), bits(other[name])
        assert kind == same
        assert left.equal(right), name


def program(folder, seconds=0.0):
    command = [sys.executable, "-c", PROGRAM, str(folder), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def refuse():
    raise AssertionError("it is computed again")


def test_what_is_read_has_the_bits_of_what_was_computed(tmp_path):
    store = Artefacts(folder=tmp_path / "none yet", version="v")
    assert_equal(store(WHAT, lambda: LEFT), LEFT)
    assert_equal(store(WHAT, refuse), LEFT)
    (path,) = store.folder.iterdir()  # no lease is left
    assert path == store.path(WHAT)


def test_an_address_is_of_the_description_and_the_code(tmp_path):
    store = Artefacts(folder=tmp_path, version="v")
    paths = {
        store.path(WHAT),
        store.path({**WHAT, "seed": 4}),
        Artefacts(folder=tmp_path, version="w").path(WHAT),
    }
    assert len(paths) == 3
    assert store.path(dict(reversed(WHAT.items()))) == store.path(WHAT)
    with pytest.raises(ValueError, match="cannot stand in a cell"):
        store.path({"seed": object()})


def test_without_a_store_what_is_asked_for_is_computed():
    assert Context().artefact(WHAT, lambda: LEFT) is LEFT


def test_a_context_with_artefacts_goes_to_other_processes(tmp_path):
    store = Artefacts(folder=tmp_path, version="v")
    context = pickle.loads(pickle.dumps(Context(artefact=store)))
    context.artefact(WHAT, lambda: LEFT)
    assert_equal(store(WHAT, refuse), LEFT)


def test_processes_that_ask_at_once_compute_once(tmp_path):
    programs = [program(tmp_path, 1.0) for _ in range(3)]
    assert [each.communicate()[0] for each in programs] == ["7.0\n"] * 3
    assert (tmp_path / "log").read_text() == "computed\n"


def test_a_holder_that_is_killed_is_succeeded(tmp_path):
    holder = program(tmp_path, 600)
    wait_for((tmp_path / "log").exists)
    waiting = program(tmp_path)
    time.sleep(0.5)
    assert waiting.poll() is None
    os.kill(holder.pid, signal.SIGKILL)
    holder.communicate()
    assert waiting.communicate(timeout=60)[0] == "7.0\n"
    assert (tmp_path / "log").read_text() == "computed\n" * 2
    assert len(list((tmp_path / "artefacts").iterdir())) == 1


def test_what_is_written_while_one_waits_is_read(tmp_path, monkeypatch):
    store = Artefacts(folder=tmp_path, version="v")
    lease = claim(store.path(WHAT).with_suffix(""))
    assert lease is not None

    def write(seconds):
        store.path(WHAT).write_bytes(content(LEFT))

    monkeypatch.setattr(artefacts.time, "sleep", write)
    assert_equal(store(WHAT, refuse), LEFT)
    lease.release()


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff" * 9])
def test_a_damaged_file_is_named_and_computed_again(tmp_path, damage):
    store = Artefacts(folder=tmp_path, version="v")
    whole = content(LEFT)
    for data in (damage, whole[:-1], whole[:40], whole + b"x", damage + whole):
        if data != whole:
            store.path(WHAT).write_bytes(data)
            with pytest.warns(UserWarning, match=f"damaged artefact.*{store.path(WHAT).name}"):
                assert_equal(store(WHAT, lambda: LEFT), LEFT)
            assert_equal(store(WHAT, refuse), LEFT)


@given(st.data())
def test_no_flipped_bit_goes_unseen(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("flipped") / "x.safetensors"
    whole = bytearray(content(LEFT))
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(whole)
    with suppress(DamagedArtefact):
        assert_equal(read_artefact(path), LEFT)  # in the white space behind the header


def test_a_full_disk_is_an_error_and_leaves_no_lease(tmp_path, monkeypatch):
    def full(path, data):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    store = Artefacts(folder=tmp_path, version="v")
    with monkeypatch.context() as patched:
        patched.setattr(artefacts, "write_atomically", full)
        with pytest.raises(OSError, match="No space left"):
            store(WHAT, lambda: LEFT)
    assert not list(tmp_path.iterdir())
    assert_equal(store(WHAT, lambda: LEFT), LEFT)


def test_what_cannot_be_computed_leaves_nothing(tmp_path):
    store = Artefacts(folder=tmp_path, version="v")
    with pytest.raises(AssertionError, match="computed again"):
        store(WHAT, refuse)
    assert not list(tmp_path.iterdir())
