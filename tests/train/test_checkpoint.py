"""Checkpoint: a training interrupted anywhere goes on to the same bits."""

import errno
import io
import pickle
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from resumable_training import SPEC, STEPS_PER_EPOCH, build, everything, train

from multiview.train.checkpoint import Checkpoint, digest_of

SCRIPT = Path(__file__).parents[1] / "resumable_training.py"
STEPS = SPEC.epochs * STEPS_PER_EPOCH


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """As in the program that is killed: bits may depend on the number of threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def undisturbed():
    module = build()
    return everything(module, train(module))


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert value.equal(found[name]), name


@pytest.mark.parametrize("step", [0, 1, STEPS_PER_EPOCH - 1, STEPS_PER_EPOCH, 7, STEPS - 1])
def test_an_interrupted_training_goes_on_to_the_same_bits(step, undisturbed, tmp_path):
    checkpoint = Checkpoint(path=tmp_path / "training.pt", seconds=0)
    with pytest.raises(KeyboardInterrupt):
        train(build(), checkpoint, stop_before=step)
    module = build()
    assert_same(everything(module, train(module, checkpoint)), undisturbed)


def test_a_training_interrupted_again_and_again_goes_on_to_the_same_bits(undisturbed, tmp_path):
    checkpoint = Checkpoint(path=tmp_path / "training.pt", seconds=0)
    for _ in range(STEPS // 2):
        with pytest.raises(KeyboardInterrupt):
            train(build(), checkpoint, stop_before=2)
    module = build()
    result = train(module, checkpoint, stop_before=2)  # one step is left
    assert_same(everything(module, result), undisturbed)


def test_a_finished_training_is_read_not_repeated(undisturbed, tmp_path):
    checkpoint = Checkpoint(path=tmp_path / "below" / "training.pt")
    train(build(), checkpoint)
    module = build()
    assert_same(everything(module, train(module, checkpoint, stop_before=0)), undisturbed)
    assert not module.training


def test_a_killed_program_goes_on_to_the_same_bits(undisturbed, tmp_path):
    """kill -9 in the midst of an epoch."""
    place, result = tmp_path / "training.pt", tmp_path / "result.pt"

    def start(nap):
        return subprocess.Popen([sys.executable, SCRIPT, place, result, str(nap)])

    first = start(nap=0.3)
    try:
        end = time.monotonic() + 60
        while not (place.exists() and stands_in_an_epoch(place)):
            assert first.poll() is None
            assert time.monotonic() < end, "nothing happened for a minute"
            time.sleep(0.02)
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
    assert stands_in_an_epoch(place)
    assert not result.exists()
    assert start(nap=0).wait() == 0
    assert_same(torch.load(result, weights_only=True), undisturbed)


def stands_in_an_epoch(place):
    state = torch.load(place, weights_only=True)["state"]
    return state["epoch"] >= 1 and len(state["losses"]) >= 2


def test_a_file_is_written_no_oftener_than_asked(tmp_path):
    checkpoint = Checkpoint(path=tmp_path / "training.pt", seconds=1e6)
    with pytest.raises(KeyboardInterrupt):
        train(build(), checkpoint, stop_before=7)
    assert not checkpoint.path.exists()


def test_another_trainings_checkpoint_is_refused(tmp_path):
    checkpoint = Checkpoint(path=tmp_path / "training.pt")
    train(build(), checkpoint)
    with pytest.raises(ValueError, match=r"training\.pt is of a training with other spec: remove"):
        train(build(), checkpoint, spec=replace(SPEC, epochs=4))
    other = build()
    with torch.no_grad():
        next(other.parameters()).view(-1)[0] += 1
    with pytest.raises(ValueError, match="other initial weights: remove"):
        train(other, checkpoint)


@pytest.mark.parametrize("damage", [b"", b"nonsense", "cut", "other"])
def test_a_damaged_file_is_named_and_the_training_begins_anew(damage, undisturbed, tmp_path):
    checkpoint = Checkpoint(path=tmp_path / "training.pt")
    train(build(), checkpoint)
    content = checkpoint.path.read_bytes()
    if damage == "other":
        torch.save([1, 2], checkpoint.path)
    else:
        checkpoint.path.write_bytes(content[: len(content) // 2] if damage == "cut" else damage)
    module = build()
    with pytest.warns(UserWarning, match=r"training\.pt is no checkpoint .* begins anew"):
        result = train(module, checkpoint)
    assert_same(everything(module, result), undisturbed)


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """A checkpoint in the midst of an epoch, as bytes."""
    checkpoint = Checkpoint(path=tmp_path_factory.mktemp("whole") / "training.pt", seconds=0)
    with pytest.raises(KeyboardInterrupt):
        train(build(), checkpoint, stop_before=7)
    return checkpoint.path.read_bytes()


def state_or_nothing(path, content):
    """What a checkpoint of this content gives, where every key of the training agrees."""
    path.write_bytes(content)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = Checkpoint(path=path).load({})
    assert (found is None) == any("begins anew" in str(each.message) for each in told)
    return found


@given(data=st.data())
@settings(max_examples=150)
def test_a_checkpoint_cut_anywhere_counts_as_nothing(tmp_path_factory, content, data):
    length = data.draw(st.integers(0, 400) | st.integers(0, len(content) - 1))
    assert state_or_nothing(tmp_path_factory.getbasetemp() / "cut.pt", content[:length]) is None


@given(data=st.data())
@settings(max_examples=150)
def test_a_flipped_byte_never_gives_another_state(tmp_path_factory, content, data):
    place = data.draw(st.integers(0, len(content) - 1))
    flipped = content[place] ^ data.draw(st.integers(1, 255))
    damaged = content[:place] + bytes([flipped]) + content[place + 1 :]
    path = tmp_path_factory.getbasetemp() / "flipped.pt"
    found, whole = state_or_nothing(path, damaged), state_or_nothing(path, content)
    assert whole is not None
    if found is not None:  # e.g. a date, or the zeros between two tensors
        assert_same(found["module"], whole["module"])
        assert_same(dict(enumerate(found["losses"])), dict(enumerate(whole["losses"])))
        assert found["generator"].equal(whole["generator"])
        assert found["epoch"] == whole["epoch"]


@pytest.mark.parametrize(
    "foreign",
    [
        b"",
        bytes(400),
        b"\xff" * 400,
        pickle.dumps({"training": {}, "state": {}}),
        pickle.dumps([1] * 200),
        b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.",
    ],
    ids=["empty", "zeros", "ones", "pickle", "list", "call"],
)
def test_a_foreign_file_counts_as_nothing(foreign, tmp_path):
    assert state_or_nothing(tmp_path / "training.pt", foreign) is None


class Trap:
    """Leaves a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return self.path.touch, ()


@pytest.mark.parametrize("place", ["training", "state", "both"])
def test_a_hostile_file_runs_nothing_and_counts_as_nothing(place, tmp_path):
    trap, buffer = Trap(tmp_path / "run"), io.BytesIO()
    stored = {"training": {}, "state": {}} | ({} if place == "both" else {place: {"a": trap}})
    torch.save(trap if place == "both" else stored, buffer)
    assert state_or_nothing(tmp_path / "training.pt", buffer.getvalue()) is None
    assert not trap.path.exists()
    buffer.seek(0)
    torch.load(buffer, weights_only=False)
    assert trap.path.exists()  # it would have run


@pytest.mark.parametrize("stored", [{"training": [], "state": {}}, {"training": {}, "state": 1}])
def test_a_foreign_file_of_torch_counts_as_nothing(stored, tmp_path):
    buffer = io.BytesIO()
    torch.save(stored, buffer)
    assert state_or_nothing(tmp_path / "training.pt", buffer.getvalue()) is None


def test_what_cannot_be_read_is_an_error_of_its_own(tmp_path, monkeypatch):
    with pytest.raises(IsADirectoryError, match=tmp_path.name):
        Checkpoint(path=tmp_path).load({})

    def refused(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refused)
    with pytest.raises(PermissionError, match=r"Permission denied.*training\.pt"):
        Checkpoint(path=tmp_path / "training.pt").load({})


def test_too_little_memory_does_not_cost_the_training(tmp_path, content, monkeypatch):
    def refused(*args, **settings):
        raise MemoryError

    (tmp_path / "training.pt").write_bytes(content)
    monkeypatch.setattr(torch, "load", refused)
    with pytest.raises(MemoryError):
        Checkpoint(path=tmp_path / "training.pt").load({})


def test_torchs_own_generator_is_left_as_it_was(tmp_path):
    before = torch.get_rng_state()
    train(build(), Checkpoint(path=tmp_path / "training.pt"))
    assert torch.get_rng_state().equal(before)


def test_masks_follow_from_the_generator_not_from_torchs_own(undisturbed):
    torch.manual_seed(12345)
    module = build()
    assert_same(everything(module, train(module)), undisturbed)


def test_a_digest_changes_with_name_shape_type_and_value():
    x = torch.arange(6.0)
    bits = [
        {"x": x},
        {"y": x},
        {"x": x.view(2, 3)},
        {"x": x.double()},
        {"x": x.long()},
        {"x": x + 1},
        {"x": x, "y": x},
    ]
    assert len({digest_of(each) for each in bits}) == len(bits)
    assert digest_of({"x": x.view(2, 3).T.contiguous().T}) == digest_of({"x": x.view(2, 3)})
