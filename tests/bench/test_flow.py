"""Networks of patches trained side by side along the gradient flow."""

from dataclasses import replace

import pytest
import torch

from multiview import stream
from multiview.bench import Flow, SoftTargets
from multiview.bench.flow import taught_by
from multiview.distill import Hinton, PaperUpdate, Squares, distillation_objective
from multiview.methods import Ensemble, Member, Members, Neighbours, Student, Summed
from multiview.runs.experiment import Context
from multiview.train import TrainSpec, per_member
from multiview.train.metrics import wrong
from theory_experiments.settings import SMOKE_BY_SGD

SETTING = replace(
    SMOKE_BY_SGD,
    num_train=60,
    members=3,
    sigma_init=0.3,
    relu_knee=1.0,
    training=Flow(
        labels=TrainSpec(max_steps=30),
        students=TrainSpec(method="adaptive", max_steps=12, loss_bound=0.0),
    ),
)
N, K = 40, 5
LOSSES = (Hinton(4.0), PaperUpdate(), Hinton(4.0), Squares(), Hinton(2.0))
WEIGHTS = (1.0, 5.0, 1.0, 2.0, 1.0)


@pytest.fixture
def bench():
    return SETTING.bench(1, Context())


@pytest.mark.parametrize("nets", [[0, 1, 2, 3, 4], [1, 3], [4, 2]])
def test_losses_of_a_kind_in_one_piece_are_those_of_each_network(nets):
    draw = stream(0, "logits")
    logits, *teachers = torch.randn(6, N, 3, generator=draw)
    logits = torch.randn(N, len(nets), 3, generator=draw)
    labels = torch.arange(N) % 3
    soft = [
        SoftTargets(teacher=lambda inputs, own=own: own, kd_loss=loss, weight=weight)
        for own, loss, weight in zip(teachers, LOSSES, WEIGHTS, strict=True)
    ]
    each = [
        distillation_objective(labels, own, loss, weight)
        for own, loss, weight in zip(teachers, LOSSES, WEIGHTS, strict=True)
    ]
    rows = torch.arange(10, 25)
    given = logits[rows], rows, torch.tensor(nets)
    together = taught_by(soft, [1] * K, torch.zeros(N, 1, 1), labels)(*given)
    for found, expected in zip(together, per_member(*each)(*given), strict=True):
        torch.testing.assert_close(found, expected)


def test_labels_weigh_as_each_student_says_and_a_group_has_a_teacher_each():
    labels, inputs = torch.arange(N) % 3, torch.zeros(N, 1, 1)
    teachers = torch.randn(N, 2, 3, generator=stream(1, "teachers"))
    soft = SoftTargets(teacher=lambda inputs: teachers, label_weight=0.0)
    logits = torch.cat([teachers, teachers[:, :1]], 1)
    every, nets = torch.arange(N), torch.arange(3)
    loss, _ = taught_by([soft, None], [2, 1], inputs, labels)(logits, every, nets)
    torch.testing.assert_close(loss[:, :2], torch.zeros(N, 2))  # each says what its teacher says
    alone = torch.nn.functional.cross_entropy(logits[:, 2], labels, reduction="none")
    torch.testing.assert_close(loss[:, 2], alone)
    with pytest.raises(ValueError, match="a teacher of 2 students teaches 3"):
        taught_by([soft], [3], inputs, labels)


STUDENTS = {
    "hinton": Student(),
    "paper": Student(kd_loss=PaperUpdate(), weight=5.0, number=2),
    "further": Student(teacher=Neighbours(), start=Members()),
    "continued": Student(teacher=Member(index=1), start=Member(index=0)),
    "again": Student(teacher=Student()),  # waits for its teacher
}


def test_students_side_by_side_are_those_trained_one_by_one(bench):
    alone = SETTING.bench(1, Context())
    alone.side_by_side = False
    bench.plan(list(STUDENTS.values()))
    for name, method in STUDENTS.items():
        one, other = bench.trained(method), alone.trained(method)
        x = bench.inputs[:20]
        torch.testing.assert_close(one.logits(x), other.logits(x), rtol=1e-3, atol=1e-4, msg=name)
        assert one.notes["steps"] == other.notes["steps"] == 12
        assert one.notes["loss"] == pytest.approx(other.notes["loss"], rel=1e-4)


def test_students_train_in_as_few_calls_as_their_teachers_allow(bench, monkeypatch):
    calls, fit = [], bench.fit
    monkeypatch.setattr(
        bench, "fit", lambda nets, *rest, **kw: calls.append(nets) or fit(nets, *rest, **kw)
    )
    bench.plan(list(STUDENTS.values()))
    for method in STUDENTS.values():
        bench.trained(method)
    assert [len(nets) for nets in calls] == [1, 4, 1]  # members; students; the student's student


def test_midway_is_where_half_as_many_steps_end(bench):
    short = replace(SETTING.training.students, max_steps=6)
    training = replace(SETTING.training, students=short)
    half = replace(SETTING, training=training).bench(1, Context())
    midway = bench.trained(Student()).midway
    x = bench.inputs[:20]
    torch.testing.assert_close(midway(x), half.trained(Student()).logits(x))
    assert not torch.allclose(midway(x), bench.trained(Student()).logits(x))


def test_notes_are_of_the_network_at_the_end(bench):
    for method in (Members(), Summed()):
        trained = bench.trained(method)
        logits = trained.logits(bench.inputs)
        error = wrong(logits, bench.labels).double().mean()
        assert trained.notes["train"] == pytest.approx(float(error))


def test_a_sum_is_trained_by_itself(bench):
    nets = [bench.summed("sum", 2), bench.one("student")]
    with pytest.raises(ValueError, match="fit it alone"):
        bench.fit(nets, [None, None])


def test_an_ensemble_is_the_mean_of_what_the_flow_trained(bench):
    x = bench.inputs[:5]
    mean = bench.trained(Members()).logits(x).mean(1)
    torch.testing.assert_close(bench.trained(Ensemble()).logits(x), mean)
