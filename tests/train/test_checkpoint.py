"""Checkpoint: a training interrupted anywhere goes on to the same bits."""

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
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
