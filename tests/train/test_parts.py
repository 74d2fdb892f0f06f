"""fit in parts: trainings that stop at an epoch, go on from there, and what does not fit them."""

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from small_training import SPEC, net, problem
from torch import nn
from unchecked import unchecked

from multiview import stream
from multiview.data.augment import flip_and_crop
from multiview.models import ConvNet
from multiview.train.checkpoint import Checkpoint, description
from multiview.train.loop import fit, target_loss

PARTS: dict[str, Any] = {"augment": flip_and_crop, "score": lambda module: torch.zeros(1)}


def part(module: nn.Module, order: torch.Generator, **given: Any) -> Any:
    x, y = problem()
    return fit(module, x, target_loss(y), SPEC, order, **PARTS, **given)


@pytest.mark.parametrize("until", [0, 7, 20])
def test_a_training_in_two_parts_is_the_whole_training(until):
    whole, first = net(), net()
    expected = part(whole, stream(0, "order"))
    order = stream(0, "order")  # where the first part leaves it the second goes on
    begun = part(first, order, until=until)
    assert begun.steps == until * 4
    if until == 20:
        assert begun.state is None
        return
    second = net(1)  # whose own weights do not count
    ended = part(second, order, after=begun.state)
    assert ended.loss.equal(expected.loss)
    assert len(ended.scores) == 20
    for one, other in zip(whole.parameters(), second.parameters(), strict=True):
        assert one.equal(other)


def test_several_trainings_go_on_from_one_state_and_leave_it_as_it_was():
    begun = part(net(), stream(0, "order"), until=5)
    before = copy.deepcopy(begun.state)
    first, second, other = net(), net(), net()
    part(first, stream(1, "order"), after=begun.state)
    part(second, stream(1, "order"), after=begun.state)
    part(other, stream(2, "order"), after=begun.state)
    vectors = [nn.utils.parameters_to_vector(each.parameters()) for each in (first, second, other)]
    assert vectors[0].equal(vectors[1])
    assert not vectors[0].equal(vectors[2])
    momenta = [state["optimizer"]["state"] for state in (before, begun.state)]
    assert all(
        one["momentum_buffer"].equal(momenta[1][i]["momentum_buffer"])
        for i, one in momenta[0].items()
    )


def test_parts_that_there_are_not_are_refused():
    begun = part(net(), stream(0, "order"), until=5)
    for given, words in (
        ({"until": 21}, "until=21 of 20 epochs"),
        ({"until": 4, "after": begun.state}, "5 of which are done: use 5 to 20"),
        ({"until": -1}, "until=-1"),
        ({"after": {"epoch": 3}}, "after is no state"),
    ):
        with pytest.raises(ValueError, match=words):
            part(net(), stream(0, "order"), **given)


def test_a_state_that_does_not_fit_is_refused_before_anything_is_changed():
    whole = part(net(), stream(0, "order"), until=5)

    def without(name: str) -> dict[str, Any]:
        return {key: value for key, value in whole.state.items() if key != name}

    wide = ConvNet(image_shape=(1, 8, 8), num_classes=3, widths=(4, 7), generator=stream(0, "init"))
    other = part(wide, stream(0, "order"), until=5).state
    linear = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    short = replace(SPEC, epochs=4)
    for after, spec, words in (
        (without("epoch"), SPEC, "as it lacks epoch: give FitResult.state"),
        (without("module"), SPEC, "as it lacks module: give FitResult.state"),
        (whole.state | {"optimizer": None}, SPEC, "as it lacks optimizer"),
        (whole.state | {"module": None}, SPEC, "as it lacks module"),
        (whole, SPEC, "after is no state .* but FitResult"),
        (whole.state | {"epoch": "five"}, SPEC, r"after\['epoch'\]='five' counts epochs done"),
        (other, SPEC, r"of another module: \S+ is \(7, .*\) in it and \(6, .*\) in the module"),
        (part(linear, stream(0), until=1).state, SPEC, "is missing in it and"),
        (whole.state, short, "epochs=4 in spec and 5 are done in after: use a spec of 5"),
    ):
        module, order = net(1), stream(1, "order")
        x, y = problem()
        before, drawn = copy.deepcopy(module.state_dict()), order.get_state()
        with unchecked(), pytest.raises(ValueError, match=words):
            fit(module, x, target_loss(y), spec, order, after=after)
        assert all(value.equal(before[name]) for name, value in module.state_dict().items())
        assert order.get_state().equal(drawn)


def test_a_part_that_was_killed_goes_on_from_its_checkpoint(tmp_path):
    def kept() -> Checkpoint:
        return Checkpoint(path=tmp_path / "part.pt", seconds=0.0)

    first, again = net(), net()
    begun = part(first, stream(0, "order"), until=5, checkpoint=kept())
    found = part(again, stream(0, "order"), until=5, checkpoint=kept())
    assert found.state["epoch"] == begun.state["epoch"] == 5
    one, other = net(), net()
    part(one, stream(1, "order"), after=begun.state)
    part(other, stream(1, "order"), after=found.state)
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        assert a.equal(b)


@pytest.mark.parametrize("kept", [10, 5.5])
def test_a_checkpoint_past_its_end_is_refused(kept, tmp_path):
    """One of ten epochs, and one of five and some steps, for a training of five."""

    class Stopped(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done == kept * 4:
            raise Stopped

    def checkpoint(strict: bool = True) -> Checkpoint:
        return Checkpoint(path=tmp_path / "part.pt", seconds=0.0, strict=strict)

    if kept == 10:
        part(net(), stream(0, "order"), until=10, checkpoint=checkpoint())
    else:
        with pytest.raises(Stopped):
            # The last checkpoint is that before the step after which it is stopped.
            part(net(), stream(0, "order"), checkpoint=checkpoint(), after_step=stop)
    module = net()
    before = copy.deepcopy(module.state_dict())
    with pytest.raises(ValueError, match=r"past the epoch .* until=5: remove it"):
        part(module, stream(0, "order"), until=5, checkpoint=checkpoint())
    assert all(value.equal(before[name]) for name, value in module.state_dict().items())
    with pytest.warns(UserWarning, match="until=5: the training begins anew"):
        anew = part(module, stream(0, "order"), until=5, checkpoint=checkpoint(strict=False))
    assert anew.state["epoch"] == 5
    expected = net()
    part(expected, stream(0, "order"), until=5)
    for one, other in zip(module.parameters(), expected.parameters(), strict=True):
        assert one.equal(other)


def test_a_checkpoint_knows_the_state_that_its_training_went_on_from(tmp_path):
    begun = part(net(), stream(0, "order"), until=5).state

    def go_on(after: Any) -> Any:
        module = net()
        module.load_state_dict(begun["module"])
        kept = Checkpoint(path=tmp_path / "part.pt", seconds=0.0)
        return part(module, stream(1, "order"), until=7, after=after, checkpoint=kept)

    assert go_on(begun).state["epoch"] == go_on(copy.deepcopy(begun)).state["epoch"] == 7
    momentum = copy.deepcopy(begun)
    momentum["optimizer"]["state"][0]["momentum_buffer"] += 1
    for other in (momentum, begun | {"epoch": 4}, None):
        with pytest.raises(ValueError, match="a training with other after: remove it"):
            go_on(other)


def test_a_description_without_a_state_to_go_on_from_is_as_it_was():
    x, _ = problem()
    assert list(description(net(), x, stream(0), spec=SPEC)) == [
        "spec",
        "inputs",
        "initial weights",
        "generator",
    ]
