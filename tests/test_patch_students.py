"""Students on synthetic patches: their lessons, and what is measured of them."""

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from theory_experiments._patch_student_nets import (
    LESSONS,
    StudentSpec,
    lessons,
    students_of,
    train_students,
)
from theory_experiments._patch_student_tables import patch_students_tables

from figures import _coverage
from multiview import stream
from multiview.data import make_features, sample_patches
from multiview.distill import distillation_objective, hinton_kd, l2_logits, paper_kd
from multiview.probes import Coverage, coverage_probes
from multiview.runs.estimates import select
from multiview.runs.experiment import Context
from multiview.runs.rows import columns, plain_cell
from multiview.train import cross_entropy
from theory_experiments import _patch_student_rows as rows_of
from theory_experiments import _patch_students as script
from theory_experiments._patch_nets import SMALL_SPEC, logits_of, new_nets
from theory_experiments.distillation import derived

SPECS = [
    StudentSpec(lesson="hinton", temperature=4.0),
    StudentSpec(lesson="labels"),
    StudentSpec(lesson="squares"),
    StudentSpec(lesson="paper"),
    StudentSpec(lesson="squares_centred"),
    StudentSpec(lesson="hinton", temperature=0.5),
    StudentSpec(lesson="hinton", temperature=4.0, omitted=1),
    StudentSpec(lesson="labels", omitted=2),
]
FEATURES = make_features(SMALL_SPEC, stream(0, "features"))


def quiet(message: str, fraction: float) -> None:
    """Progress to nobody."""


@pytest.fixture(scope="module")
def smoke_table() -> pd.DataFrame:
    lines = []
    for seed in (0, 1):
        cell = replace(script.SMOKE, seed=seed)
        fields = columns(plain_cell(cell)) | {"status": "ok"}
        for method, measures in script.run_patch_students(cell, Context()).items():
            lines.append(fields | {"method": method} | measures)
    return derived(pd.DataFrame(lines))


def over_classes(student, teacher, *, center):
    """Half the squared distance of 3 logits, over 3."""
    return l2_logits(student, teacher, center=center, reduction="none") / 3


def test_the_lessons_are_those_of_each_student_alone():
    cell, generator = script.SMOKE, stream(0, "lessons")
    labels = torch.tensor([1, 0, 2, 2, 1])
    taught = 3 * torch.randn(5, len(SPECS), 3, generator=generator)
    logits = 2 * torch.randn(3, len(SPECS), 3, generator=generator)
    rows = torch.tensor([4, 0, 2])
    value, slope = lessons(cell, labels, taught, SPECS)(logits, rows, torch.arange(len(SPECS)))
    push = partial(paper_kd, tau=cell.tau, scale=cell.scale, reduction="none")
    for i, student in enumerate(SPECS):
        loss = {
            "hinton": partial(hinton_kd, temperature=student.temperature, reduction="none"),
            "squares": partial(over_classes, center=False),
            "squares_centred": partial(over_classes, center=True),
            "paper": push,
        }.get(student.lesson)
        weight = cell.push if student.lesson == "paper" else 1.0
        alone = (
            cross_entropy(labels, 3)
            if loss is None
            else distillation_objective(labels, taught[:, i], loss, weight)
        )
        expected = alone(logits[:, i : i + 1], rows, torch.arange(1))
        seen = (labels[rows] != student.omitted).float()
        torch.testing.assert_close(value[:, i], expected[0][:, 0] * seen)
        torch.testing.assert_close(slope[:, i], expected[1][:, 0] * seen.unsqueeze(1))


def test_squares_of_centred_logits_are_the_limit_of_hot_lessons():
    specs = [StudentSpec(lesson="labels"), StudentSpec(lesson="squares_centred")]
    specs.append(StudentSpec(lesson="hinton", temperature=1e3))
    draws, labels = stream(0, "hot"), torch.tensor([1, 0, 3, 2])
    taught = torch.randn(4, 1, 4, generator=draws, dtype=torch.float64).expand(-1, 3, -1)
    logits = torch.randn(4, 1, 4, generator=draws, dtype=torch.float64).expand(-1, 3, -1)
    value, slope = lessons(script.SMOKE, labels, taught, specs)(
        logits, torch.arange(4), torch.arange(3)
    )
    (squares, hot), (steep, heated) = ((x[:, 1:] - x[:, :1]).unbind(1) for x in (value, slope))
    torch.testing.assert_close(squares, hot, rtol=1e-3, atol=0)
    torch.testing.assert_close(steep, heated, rtol=1e-3, atol=1e-3)


def test_a_student_learns_nothing_from_samples_of_the_class_it_never_meets():
    cell = script.SMOKE
    batch = sample_patches(cell.spec, FEATURES, 40, stream(0, "train"))
    other = replace(batch, patches=batch.patches.clone())
    other.patches[batch.labels == 1] += 1.0
    taught = torch.randn(40, 2, 4, generator=stream(0, "taught"))
    specs = [StudentSpec(lesson="hinton", omitted=1), StudentSpec(lesson="hinton")]
    start = new_nets(cell, "student", 1)
    one, two = (
        train_students(cell, start, each, taught, specs, quiet).weight for each in (batch, other)
    )
    torch.testing.assert_close(one[0], two[0])
    assert (one[1] - two[1]).abs().max() > 1e-3
    assert (one[0] - start.weight[0]).abs().max() > 1e-3


def test_each_student_has_the_mean_of_its_teachers():
    logits = torch.randn(6, 5, 4, generator=stream(0, "teachers"))
    specs = [StudentSpec(lesson="squares", teachers=size) for size in (1, 2, 5)]
    taught = script.teachers_of(logits, specs)
    torch.testing.assert_close(taught[:, 1], (logits[:, 0] + logits[:, 1]) / 2)
    torch.testing.assert_close(taught[:, 2], logits.mean(1))
    assert torch.equal(taught[:, 0], logits[:, 0])


def test_few_of_each_class_are_its_first():
    labels = torch.tensor([2, 0, 0, 2, 0, 1, 2])
    assert script._few_of_each(labels, 2).tolist() == [1, 2, 5, 0, 3]


def answering(probes, views: torch.Tensor) -> torch.Tensor:
    """Logits that are 1 for each class one of whose ``views`` (k, L) a probe shows, 0 else."""
    k = views.shape[0]
    shown = torch.nn.functional.one_hot(probes.labels, k).float()
    return shown * views[probes.labels, probes.lone_view].float().unsqueeze(1)


def test_a_logit_answers_to_a_view_whatever_the_others_say():
    probes = coverage_probes(SMALL_SPEC, FEATURES, stream(0, "probes"), 20)
    views = torch.tensor([[1, 0], [0, 1], [1, 1], [0, 0]])
    logits = answering(probes, views)
    answered = rows_of.answered_views(logits, probes)
    assert answered.tolist() == views.tolist()
    # Another order of the classes' levels changes who wins, not what each answers to.
    levels = torch.tensor([0.0, 50.0, -50.0, 7.0])
    assert torch.equal(rows_of.answered_views(logits + levels, probes), answered)


def test_a_shift_may_call_a_class_by_elimination_what_its_logit_does_not_answer_to():
    probes = coverage_probes(SMALL_SPEC, FEATURES, stream(0, "probes"), 20)
    logits = answering(probes, torch.tensor([[0, 0], [1, 1], [1, 1], [1, 1]]))
    logits[:, 0] = -3.0
    half = torch.arange(len(probes)) % 2 == 0
    validation = (logits[half], probes.labels[half])
    test = (logits[~half], probes.labels[~half])
    with_one_view = (logits[probes.labels < 2], probes.labels[probes.labels < 2])
    of_class = (with_one_view[1] == 0).nonzero().flatten()
    with_one_view[0][of_class[::2], 1] += 10.0
    row = rows_of.after_shift(0, validation, test, with_one_view, logits, probes)
    shift = row["omitted"].pop("shift")
    assert 3 < shift < 4
    zero_shot = {"error": 1, "shifted": 0, "single": 0.5, "coverage": 1, "answered": 0}
    assert row == {"omitted": zero_shot, "others": {"shifted": 0, "coverage": 1, "answered": 1}}


def coverage_of_views(*covered: list[list[int]]) -> Coverage:
    views = torch.tensor(covered).float()
    return Coverage(accuracy=views, margin=views)


def empty_row(cell, specs):
    """A row to write into, with c = 0.6 of a single network."""
    row = rows_of.axes_of(cell, specs)
    row["member"]["coverage"] = 0.6
    return row


def test_predictions_are_the_closed_form_and_the_union():
    teacher = coverage_of_views([[1, 0], [0, 1]], [[1, 1], [0, 1]])
    own = torch.tensor([[True, False], [True, False]])
    cell = script.SMOKE  # teachers of one and two, two rounds
    row = empty_row(cell, [student for group in students_of(cell).values() for student in group])
    rows_of.add_predictions(row, cell, teacher, own)
    for one, two in (("hinton_of_1_T4", "hinton_of_2_T4"), ("paper_of_1", "paper_of_2")):
        assert row[one]["predicted"] == pytest.approx(1 - 0.5 * 0.4)
        assert row[two]["predicted"] == pytest.approx(1 - 0.25 * 0.4)
        assert (row[one]["union"], row[two]["union"]) == (0.75, 1.0)
    for lesson in LESSONS:
        chain = [row[f"{lesson}_round_{r}"] for r in range(3)]
        assert [each["predicted"] for each in chain] == pytest.approx([0.6, 0.84, 0.936])
        assert [(each["chain"], each["round"]) for each in chain] == [(lesson, r) for r in range(3)]
    assert "predicted" not in row["hinton_of_2_T16"]


def test_agreement_is_about_the_view_won_in_each_class():
    one = coverage_of_views([[1, 0], [0, 1]], [[1, 0], [1, 0]], [[0, 1], [1, 0]])
    students = coverage_of_views([[1, 0], [0, 1]], [[1, 0], [1, 0]], [[0, 1], [0, 1]])
    cell = script.SMOKE
    specs = [students_of(cell)[name][0] for name in ("hinton", "paper", "labels")]
    row = empty_row(cell, specs)
    rows_of.add_agreements(row, cell, one, students, specs)
    assert row["member"]["same_view"] == pytest.approx((0.5 + 0 + 0.5) / 3)
    hinton, paper = row["hinton_of_1_T4"], row["paper_of_1"]
    assert (hinton["same_view_as_teacher"], paper["same_view_as_teacher"]) == (1, 0.5)
    assert (hinton["same_view_as_labels"], paper["same_view_as_labels"]) == (0.5, 0)
    assert np.isnan(rows_of.pairwise_agreement(rows_of.won_views(one)[:1]))


def test_a_row_measures_the_networks_it_names(monkeypatch):
    kept = {}
    fit, train = script.fit, script.train_students
    calls = []

    def record(cell, start, batch, taught, specs, *rest):
        net = train(cell, start, batch, taught, specs, *rest)
        calls.append((start, batch, taught, specs, net))
        return net

    monkeypatch.setattr(script, "train_students", record)
    monkeypatch.setattr(
        script, "fit", lambda name, *given: kept.setdefault(name, fit(name, *given))
    )
    cell = script.SMOKE
    row = script.run_patch_students(cell, Context())
    members = kept["members"].net
    assert len(members.weight) == cell.members + 1  # the students' start, taught by labels
    start = new_nets(cell, "student", 1).weight
    (begin, batch, taught, specs, students), few, itself, again = calls
    assert torch.equal(begin.weight, start)
    by_members = logits_of(members, batch)
    K = [student.teachers for student in specs]
    for i, size in enumerate(K):
        torch.testing.assert_close(taught[:, i], by_members[:, :size].mean(1))
    assert few[1].labels.bincount().max() == cell.samples_per_class
    assert [student.lesson for student in few[3]] == ["hinton", "labels"]
    assert few[3][0].teachers == cell.members
    assert torch.equal(itself[0].weight, members.weight[:1])
    assert itself[1] is batch
    torch.testing.assert_close(itself[2][:, 0], by_members[:, 0])
    assert itself[3] == [StudentSpec(lesson="hinton", temperature=cell.temperature)]
    assert not torch.equal(again[0].weight, start)
    first = [specs.index(student) for student in again[3]]
    torch.testing.assert_close(again[2], logits_of(students, batch)[:, first])
    features = script.draw_features(cell)
    probes = coverage_probes(cell.spec, features, stream(0, "probes"), cell.probes_per_view)
    accuracy = script.coverage_of(logits_of(students, probes), probes)
    for place, student in enumerate(specs):
        if student.omitted < 0:
            own = row[student.method]
            assert own["coverage"] == pytest.approx(float(accuracy.fraction[place]))
            assert own.get("lesson", "labels") == student.lesson
            assert own.get("size", 1) == student.teachers
            assert own.get("T", 1.0) == student.temperature
    at_labels = specs.index(students_of(cell)["labels"][0])
    assert row["labels"]["margin"] == pytest.approx(float(accuracy.margin[at_labels].mean()))
    teacher = script.coverage_of(logits_of(members, probes)[:, 0], probes)
    first_of_chain = row["paper_round_0"]["coverage"]
    assert row["ensemble_1"]["coverage"] == first_of_chain == float(teacher.fraction)
    alone = script.coverage_of(logits_of(itself[4], probes)[:, 0], probes)
    assert row["self_same_start"]["coverage"] == float(alone.fraction)
    assert row["data"]["few_share"] == len(few[1]) / cell.num_train
    assert row["hinton_round_1"]["coverage"] == row["hinton_of_1_T4"]["coverage"]
    soft, hard = script.coverage_of(logits_of(few[4], probes), probes).fraction.tolist()
    assert (row["few_hinton"]["coverage"], row["few_labels"]["coverage"]) == (soft, hard)
    last = script.coverage_of(logits_of(again[4], probes), probes).fraction.tolist()
    assert [row[f"{lesson}_round_2"]["coverage"] for lesson in LESSONS] == last


def test_rows_repeat_and_differ_between_seeds(smoke_table):
    again = script.run_patch_students(script.SMOKE, Context())
    first, second = (select(smoke_table, seed=seed).set_index("method") for seed in (0, 1))
    assert list(first.index) == list(again)
    for method, measures in again.items():
        same = dict(first.loc[method, list(measures)])
        assert same == pytest.approx(measures, nan_ok=True)
    assert first.loc["member", "margin"] != second.loc["member", "margin"]


def test_the_tables_and_the_panels_hold_every_method(smoke_table):
    listings = list(patch_students_tables(smoke_table))
    coverage, left_out, same_view = (each.grid(smoke_table).rows for each in listings)
    assert len(left_out) == 8
    assert len(same_view) == 3
    shown = {tuple(line.where.items()) for line in listings[0].lines}
    assert len(coverage) == len(listings[0].lines) == len(shown) + 2  # two stand in two places
    share = smoke_table["few_share"].max()
    assert f"{share:.0%} of the samples" in {group for group, _ in coverage}
    figure = Figure()
    (part,) = figure.subfigures(1, 1, squeeze=False).flat
    _coverage.students(part, smoke_table)
    assert len(part.axes) == 3


def test_the_interval_of_one_repetition_is_not_drawn(smoke_table):
    for table, long in ((smoke_table, True), (select(smoke_table, seed=0), False)):
        figure = Figure()
        (part,) = figure.subfigures(1, 1, squeeze=False).flat
        _coverage.students(part, table)
        bars = [each for each in part.axes[0].collections if isinstance(each, LineCollection)]
        lengths = [np.ptp(line[:, 1]) for bar in bars for line in bar.get_segments()]
        assert len(bars) == 3
        assert all(length > 0 for length in lengths) == long
        assert any(length > 0 for length in lengths) == long


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("omitted", ()),
        ("omitted", (0, 10)),
        ("omitted", (-1,)),
        ("student", replace(script.LAPTOP.student, loss_bound=0.1)),
        ("sizes", (2, 10)),
        ("sizes", (1, 10, 5)),
        ("members", 4),
        ("rounds", 0),
    ],
)
def test_bad_cells_are_refused_by_name(field, value):
    with pytest.raises(ValueError, match=field):
        replace(script.LAPTOP, **{field: value})


@pytest.mark.parametrize("settings", [{"lesson": "l3"}, {"teachers": 0}, {"temperature": 0.0}])
def test_bad_students_are_refused_by_name(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        StudentSpec(**({"lesson": "hinton"} | settings))
