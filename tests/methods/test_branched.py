"""Branched: what its networks have in common, in which they differ, and what it refuses."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from kept_artefacts import found_again

from multiview.bench import Cell, Flow, Sgd, check
from multiview.bench.images import MADE_UP, ImageSetting
from multiview.bench.nets import Fast
from multiview.bench.recipe import fast_recipe
from multiview.methods import Branched, Labels
from multiview.runs.experiment import Context
from multiview.train import OptimSpec, TrainSpec
from theory_experiments.settings import SMOKE_BY_SGD

OPTIM = OptimSpec(epochs=10, batch_size=25, learning_rate=1.0, weight_decay=0.0)
PATCHES = replace(SMOKE_BY_SGD, num_train=60, training=Sgd(labels=OPTIM, students=OPTIM))
IMAGES = ImageSetting(
    data=MADE_UP,
    num_train=60,
    num_validation=0,
    num_test=50,
    net=Fast(widths=(4, 8, 8)),
    recipe=fast_recipe(epochs=5),
    students=fast_recipe(epochs=5),
)
SETTINGS = {"patches": PATCHES, "images": IMAGES}


def outputs(setting, method, seed=3):
    bench = setting.bench(seed, Context())
    return bench.outputs(bench.trained(method).logits, bench.inputs)


def apart(logits):
    """How far the outputs of the first two networks are from each other."""
    return float((logits[:, 0] - logits[:, 1]).norm())


@pytest.mark.parametrize("name", SETTINGS)
def test_branches_differ_by_their_order_and_less_the_later_they_part(name):
    times, seeds = (0.0, 0.4, 0.8), (3, 4, 5)
    every = {
        (at, seed): outputs(SETTINGS[name], Branched(at=at, number=2), seed)
        for at in times
        for seed in seeds
    }
    by_time = {at: every[at, 3] for at in times}
    assert by_time[0.0].shape[1] == 2
    # How far single branches come to lie apart is chance as well.
    distances = [sum(apart(every[at, seed]) for seed in seeds) / len(seeds) for at in times]
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] > 0
    own = outputs(SETTINGS[name], Branched(at=None, number=2))
    assert apart(own) > 0.5 * distances[0]
    assert not own[:, 0].equal(by_time[0.0][:, 0])
    assert outputs(SETTINGS[name], Branched(at=0.4, number=2)).equal(by_time[0.4])


@pytest.mark.parametrize("name", SETTINGS)
def test_a_larger_number_begins_with_the_same_branches(name):
    few, more = (outputs(SETTINGS[name], Branched(at=0.4, number=n)) for n in (2, 3))
    torch.testing.assert_close(few, more[:, :2])


def test_branches_of_other_starts_are_others():
    first, other = (outputs(PATCHES, Branched(start=start, number=1)) for start in ("a", "b"))
    assert not first.equal(other)


def test_a_branch_takes_the_steps_of_one_training():
    """With a batch of all samples no order is left, and branches are the network itself."""
    spec = replace(OPTIM, batch_size=60, learning_rate=0.5)
    whole = replace(PATCHES, training=Sgd(labels=spec, students=spec))
    one = outputs(whole, Labels(start="branched", course="labels"))
    for at in (0.0, 0.3, 0.9):
        for branch in outputs(whole, Branched(at=at, number=2)).unbind(1):
            torch.testing.assert_close(branch, one, rtol=1e-3, atol=1e-5)


def test_it_notes_how_many_epochs_are_common():
    bench = PATCHES.bench(3, Context())
    assert bench.trained(Branched(at=0.44)).notes == {"together": 4}
    assert bench.trained(Branched(at=None)).notes == {}


@pytest.mark.parametrize("name", SETTINGS)
def test_what_trainings_leave_is_found_by_another_bench(name, tmp_path, monkeypatch):
    methods = {"early": Branched(number=2), "apart": Branched(at=None, number=2)}
    found_again(SETTINGS[name], methods, tmp_path, monkeypatch)


def test_a_killed_training_goes_on_to_the_same_bits(tmp_path):
    whole, method = outputs(IMAGES, Branched(at=0.4, number=2)), Branched(at=0.4, number=2)

    class Killed(Exception):
        pass

    def kill(message: str, fraction: float | None = None) -> None:
        if fraction is not None and fraction > 0.7:
            raise Killed

    with pytest.raises(Killed):
        IMAGES.bench(3, Context(scratch=tmp_path, progress=kill)).trained(method)
    assert len(list(tmp_path.glob("*.pt"))) >= 2  # what they have in common, and the first branch
    bench = IMAGES.bench(3, Context(scratch=tmp_path))
    assert bench.outputs(bench.trained(method).logits, bench.inputs).equal(whole)


def test_what_cannot_be_branched_is_refused():
    bad: list[tuple[dict[str, Any], str]] = [
        ({"at": 1.0}, r"at=1.0.*\[0, 1\)"),
        ({"at": math.nan}, "at=nan"),
        ({"number": 0}, "number=0 counts branches"),
    ]
    for given, words in bad:
        with pytest.raises(ValueError, match=words):
            Branched(**given)
    for name, epochs, most in (("patches", 10, "0.9"), ("images", 5, "0.8")):
        setting, late = SETTINGS[name], Branched(at=0.96, number=2)
        words = rf"at=0\.96 of {epochs} epochs is all of them.*use at most {most},"
        with pytest.raises(ValueError, match=words):
            check([Cell(setting=setting, methods={"it": late})], Context())
        with pytest.raises(ValueError, match=words):
            setting.bench(3, Context()).trained(late)
        last = Branched(at=float(most), number=2)
        check([Cell(setting=setting, methods={"it": last})], Context())
    flow = replace(PATCHES, training=Flow(labels=TrainSpec(), students=TrainSpec()))
    with pytest.raises(ValueError, match="Branched needs minibatches"):
        check([Cell(setting=flow, methods={"it": Branched()})], Context())
