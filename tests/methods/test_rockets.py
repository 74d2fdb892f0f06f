"""Rockets: what light net and booster share, in which order they learn, and the time it takes."""

import math
from dataclasses import replace

import pytest
import torch

from multiview.bench import Bench, Sgd, check
from multiview.bench.cell import Cell
from multiview.bench.images import ImageSetting
from multiview.bench.nets import WidePair
from multiview.bench.recipe import plain_recipe
from multiview.methods import Booster, Ensemble, Labels, Members, Rocket, Student, Timed
from multiview.runs.experiment import Context
from multiview.train import OptimSpec
from theory_experiments.settings import SMOKE_BY_SGD

OPTIM = OptimSpec(epochs=3, batch_size=30, learning_rate=1.0, weight_decay=0.0)
PATCHES = replace(
    SMOKE_BY_SGD,
    num_train=60,
    relu_knee=1.0,
    sigma_init=0.3,
    training=Sgd(labels=OPTIM, students=OPTIM),
)
RECIPE = plain_recipe(epochs=1, batch_size=10, learning_rate=0.05)
IMAGES = ImageSetting(
    data="multi_view",
    num_train=20,
    num_validation=10,
    num_test=20,
    shrink=4,
    net=WidePair(depth=10, booster_depth=16),
    recipe=RECIPE,
    students=RECIPE,
)


def shared_weights(bench: Bench, rocket: Rocket) -> int:
    """How many parameters light net and booster have in common when they are untrained."""
    light, (booster,) = bench.pair(rocket.shared, 1, "booster", rocket.width)
    return len({id(p) for p in light.parameters()} & {id(p) for p in booster.parameters()})


def test_pairs_of_images_share_convolutions_and_begin_as_the_light_net():
    bench = IMAGES.bench(0, Context())
    # Seven convolutions, and two shortcuts that go with them.
    assert [shared_weights(bench, Rocket(shared=n)) for n in (0, 3, 7)] == [0, 3, 9]
    light, (booster,) = bench.pair(0, 1, "booster", None)
    for one, other in zip(light.parameters(), bench.one("student").parameters(), strict=True):
        assert one.equal(other)
    _, (again,) = bench.pair(7, 1, "booster", None)
    for one, other in zip(booster.parameters(), again.parameters(), strict=True):
        assert one.equal(other)
    assert bench.inputs.shape[1:] == (3, 8, 8)
    with pytest.raises(ValueError, match="boosters=2"):
        bench.pair(0, 2, "booster", None)


@pytest.mark.parametrize(
    ("setting", "shared"), [(IMAGES, 8), (replace(IMAGES, net=WidePair(depth=16)), 14)]
)
def test_more_than_all_convolutions_are_refused(setting, shared):
    check([Cell(setting=setting, methods={"it": Rocket(shared=shared - 1)})], Context())
    with pytest.raises(ValueError, match=f"shared={shared} counts convolutions"):
        check([Cell(setting=setting, methods={"it": Rocket(shared=shared)})], Context())


def test_images_are_averaged_over_squares():
    whole, small = (
        replace(IMAGES, shrink=side).bench(0, Context()).samples.train for side in (1, 4)
    )
    torch.testing.assert_close(small[0, 0, 1, 2], whole[0, 0, 4:8, 8:12].mean())
    with pytest.raises(ValueError, match="shrink=0"):
        replace(IMAGES, shrink=0)


@pytest.mark.parametrize("setting", [PATCHES, IMAGES])
def test_one_after_the_other_the_booster_learns_as_it_would_alone(setting):
    bench = setting.bench(0, Context())
    separate = Rocket(joint=False, weight=0.3)
    light, booster = bench.trained(separate), bench.trained(Booster(of=separate))
    assert booster is light.companion
    other = bench.trained(Booster(of=replace(separate, weight=0.0)))
    x = bench.inputs[:5]
    torch.testing.assert_close(booster.logits(x), other.logits(x))
    alone = bench.trained(replace(separate, weight=0.0))
    assert not torch.allclose(light.logits(x), alone.logits(x), atol=1e-5)
    if setting is PATCHES:  # without the hint: on labels alone, in the order after the booster's
        assert not torch.allclose(alone.logits(x), bench.trained(Labels()).logits(x), atol=1e-5)


def test_the_hint_is_the_one_asked_for():
    bench = PATCHES.bench(0, Context())
    x = bench.inputs[:5]
    found = [
        bench.trained(Rocket(hint=hint, weight=1.0)).logits(x)
        for hint in ("logits", "probabilities", "tempered")
    ]
    assert not torch.allclose(found[0], found[1], atol=1e-6)
    assert not torch.allclose(found[0], found[2], atol=1e-6)


def test_several_boosters_are_one_companion_their_mean():
    bench = PATCHES.bench(0, Context())
    mean = bench.trained(Booster(of=Rocket(boosters=2)))
    assert mean.net is None
    assert mean.logits(bench.inputs[:5]).shape == (5, 4)


@pytest.mark.parametrize("changes", [{"delay": 0.5}, {"block": False}])
def test_what_only_a_joint_training_has_is_refused(changes):
    with pytest.raises(ValueError, match="joint=False with delay"):
        Rocket(joint=False, **changes)


def test_a_timed_method_is_that_method_and_its_time(tmp_path):
    taught = Student(teacher=Ensemble())
    bench = PATCHES.bench(0, Context(scratch=tmp_path))
    timed = bench.trained(Timed(of=taught))
    assert timed.notes["training_seconds"] > 0
    assert timed.net is bench.trained(taught).net
    assert bench.is_trained(Members())
    later = bench.trained(Timed(of=Members()))  # trained before, by itself
    assert later.notes["training_seconds"] > 0
    (tmp_path / "x.pt").touch()
    resumed = PATCHES.bench(0, Context(scratch=tmp_path)).trained(Timed(of=Members()))
    assert math.isnan(resumed.notes["training_seconds"])
