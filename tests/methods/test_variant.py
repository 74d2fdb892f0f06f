"""Variant and TransferSet: other networks, and some of the samples, of methods as they are."""

from dataclasses import replace

import pytest
import torch
from tiny_benches import tiny_bench

from multiview.bench import Cell, Flow, check
from multiview.bench.images import ImageSetting
from multiview.bench.nets import Dense
from multiview.bench.recipe import plain_recipe
from multiview.distill import Squares
from multiview.methods import Bootstrap, Labels, Member, Student, TransferSet, Variant
from multiview.runs.experiment import Context
from multiview.train import TrainSpec
from theory_experiments.settings import SMOKE_BY_SGD

LABELS = torch.tensor([2, 0, 0, 2, 0, 1, 2])
SPEC = TrainSpec(method="adaptive", max_steps=3, loss_bound=0.0)
FLOW = replace(SMOKE_BY_SGD, num_train=60, training=Flow(labels=SPEC, students=SPEC))
IMAGES = ImageSetting(
    data="multi_view",
    num_train=40,
    num_validation=20,
    num_test=20,
    members=1,
    net=Dense(widths=(4,)),
    recipe=plain_recipe(epochs=1),
    students=plain_recipe(epochs=1),
)


@pytest.mark.parametrize(
    ("settings", "rows"),
    [
        ({}, [0, 1, 2, 3, 4, 5, 6]),
        ({"per_class": 2}, [1, 2, 5, 0, 3]),
        ({"share": 0.2}, [1, 5, 0]),  # at least one of each class
        ({"classes": (0, 1)}, [1, 2, 4, 5]),
        ({"without": (0,)}, [0, 3, 5, 6]),
        ({"classes": (0, 2), "per_class": 1}, [1, 0]),
    ],
)
def test_a_transfer_set_holds_the_first_samples_of_its_classes(settings, rows):
    assert TransferSet(**settings).rows(LABELS).tolist() == rows


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"share": 0.0}, "share=0.0"),
        ({"share": 1.5}, "share=1.5"),
        ({"per_class": 0}, "per_class=0"),
        ({"classes": (1,), "without": (1,)}, "leave one"),
    ],
)
def test_transfer_sets_of_nothing_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        TransferSet(**settings)


def test_classes_that_no_sample_has_are_refused():
    with pytest.raises(ValueError, match=r"classes=\(7,\).*0 to 2"):
        TransferSet(classes=(7,)).rows(LABELS)


@pytest.mark.parametrize("bench", [tiny_bench(), FLOW.bench(0, Context())], ids=["epochs", "flow"])
def test_what_is_not_met_teaches_nothing(bench):
    other = bench.copied()
    moved = (bench.labels == 1).view(-1, *[1] * (bench.inputs.dim() - 1))
    other.inputs = bench.inputs + 5.0 * moved
    method = Variant(of=Labels(), samples=TransferSet(without=(1,)))
    one, two = bench.trained(method), other.trained(method)
    torch.testing.assert_close(one.logits(bench.inputs), two.logits(bench.inputs))
    assert 0 <= one.notes["transfer_error"] <= 1
    assert not bench.is_trained(Labels())
    plain, changed = (each.trained(Labels()).logits(bench.inputs) for each in (bench, other))
    assert not torch.allclose(plain, changed)


def test_few_samples_are_met_for_about_as_many_steps():
    assert len(tiny_bench().with_samples(torch.arange(7)).labels) == 28
    assert len(FLOW.bench(0, Context()).with_samples(torch.arange(7)).labels) == 7


def test_a_student_by_another_net_has_the_teacher_of_the_settings_own():
    bench = IMAGES.bench(0, Context())
    teacher, wide = Member(), Dense(widths=(16,))
    students = [
        Variant(of=Student(teacher=teacher), net=wide),
        Variant(of=Student(teacher=teacher, kd_loss=Squares()), net=wide),
    ]
    bench.plan(students)
    one, other = (bench.trained(each).net for each in students)
    taught = bench.trained(teacher).net
    widths = [next(net.parameters()).shape[0] for net in (one, other, taught) if net is not None]
    assert widths == [16, 16, 4]
    assert students[0].beside(students[1])
    assert not students[0].beside(Variant(of=Student(teacher=teacher)))
    assert not students[0].beside(Student(teacher=teacher))


def test_patches_have_no_other_nets():
    cell = Cell(setting=FLOW, methods={"wide": Variant(of=Labels(), net=Dense(widths=(4,)))})
    with pytest.raises(ValueError, match="method 'wide': net=Dense"):
        check([cell], Context())
    with pytest.raises(ValueError, match="use an ImageSetting"):
        tiny_bench().trained(Variant(of=Labels(), net=Dense(widths=(4,))))


def test_a_bootstrap_sample_is_as_large_and_drawn_with_replacement():
    labels = torch.arange(400) % 4
    rows = Bootstrap(draw=3).rows(labels, torch.Generator().manual_seed(0))
    assert len(rows) == 400
    assert 0.55 < len(rows.unique()) / 400 < 0.71  # 1 - 1/e is 0.63
    with pytest.raises(ValueError, match="draw=-1"):
        Bootstrap(draw=-1)


def test_each_draw_of_each_repetition_meets_other_samples():
    def met(seed: int, draw: int) -> float:
        bench = replace(FLOW, training=Flow(labels=SPEC, students=SPEC)).bench(seed, Context())
        found = bench.trained(Variant(of=Labels(), samples=Bootstrap(draw=draw)))
        return found.notes["loss"]

    assert met(0, 0) == met(0, 0)
    assert len({met(0, 0), met(0, 1), met(1, 0)}) == 3
