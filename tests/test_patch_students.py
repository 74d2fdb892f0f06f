"""Students on synthetic patches: a small run, classes left out, tables and panels."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from drawn_numbers import curves, points
from matplotlib.collections import LineCollection
from tidy_tables import table_of

from figures.distillation import draw
from multiview import stream
from multiview.bench import run
from multiview.data import make_features
from multiview.probes import coverage_probes
from multiview.runs.estimates import select
from multiview.runs.experiment import Context
from theory_experiments.settings import SMALL_SPEC
from theory_experiments.views import patch_students as view
from theory_experiments.views.left_out import after_shift, answered_views
from theory_experiments.views.patch_students_claims import tables

FEATURES = make_features(SMALL_SPEC, stream(0, "features"))
PROBES = coverage_probes(SMALL_SPEC, FEATURES, stream(0, "probes"), 20)


@pytest.fixture(scope="module")
def smoke_table() -> pd.DataFrame:
    cells = [replace(view.SMOKE, seed=seed) for seed in (0, 1)]
    return view.derived(table_of(*((cell, run(cell, Context())) for cell in cells)))


def answering(views: torch.Tensor) -> torch.Tensor:
    """Logits that are 1 for each class one of whose ``views`` (k, L) a probe shows, 0 else."""
    shown = torch.nn.functional.one_hot(PROBES.labels, views.shape[0]).float()
    return shown * views[PROBES.labels, PROBES.lone_view].float().unsqueeze(1)


def test_a_logit_answers_to_a_view_whatever_the_others_give():
    views = torch.tensor([[1, 0], [0, 1], [1, 1], [0, 0]])
    logits = answering(views)
    answered = answered_views(logits, PROBES)
    assert answered.tolist() == views.tolist()
    # Another order of the classes' levels changes who wins, not what each answers to.
    levels = torch.tensor([0.0, 50.0, -50.0, 7.0])
    assert torch.equal(answered_views(logits + levels, PROBES), answered)


def test_a_shift_may_call_a_class_by_elimination_what_its_logit_does_not_answer_to():
    logits = answering(torch.tensor([[0, 0], [1, 1], [1, 1], [1, 1]]))
    logits[:, 0] = -3.0
    half = torch.arange(len(PROBES)) % 2 == 0
    two = PROBES.labels < 2
    drawn = {"validation": PROBES[half], "test": PROBES[~half], "single": PROBES[two]}
    outputs = {"validation": logits[half], "test": logits[~half], "single": logits[two]}
    of_class = (drawn["single"].labels == 0).nonzero().flatten()
    outputs["single"][of_class[::2], 1] += 10.0
    row = after_shift(0, drawn | {"probes": PROBES}, outputs | {"probes": logits})
    assert 3 < row["omitted"].pop("shift") < 4
    zero_shot = {"error": 1, "shifted": 0, "single": 0.5, "coverage": 1, "answered": 0}
    assert row == {"omitted": zero_shot, "others": {"shifted": 0, "coverage": 1, "answered": 1}}


def test_a_row_measures_the_networks_it_names(smoke_table):
    by_method = select(smoke_table, seed=0).set_index("method")
    # The first round is the student of one network, and round 0 is that network.
    for loss in view.KD_LOSSES:
        first, student = by_method.loc[f"{loss}_round_1"], by_method.loc[view.method(loss, 1)]
        assert first["coverage"] == student["coverage"]
        assert first["margin"] == student["margin"]
        assert by_method.loc[f"{loss}_round_0", "margin"] == by_method.loc["ensemble_1", "margin"]
    c = by_method["coverage"]
    teacher, own = c["ensemble_2"], c["member"]
    assert by_method.loc["paper_of_2", "predicted"] == pytest.approx(1 - (1 - teacher) * (1 - own))
    assert by_method.loc["hinton_round_2", "predicted"] == pytest.approx(1 - (1 - own) ** 3)
    assert by_method.loc["self_same_start", "predicted"] == c["hinton_round_0"]
    assert by_method.loc["few_labels", "few_share"] == pytest.approx(4 * 4 / 120)
    second = select(smoke_table, seed=1).set_index("method")
    assert by_method.loc["member", "margin"] != second.loc["member", "margin"]


def test_the_tables_hold_every_method(smoke_table):
    listings = list(tables(smoke_table))
    coverage, left_out, same_view = (each.grid(smoke_table).rows for each in listings)
    assert len(left_out) == 8
    assert len(same_view) == 3
    shown = {tuple(line.where.items()) for line in listings[0].lines}
    assert len(coverage) == len(listings[0].lines) == len(shown) + 2  # two stand in two places
    share = smoke_table["few_share"].max()
    assert f"{share:.0%} of the samples" in {group for group, _ in coverage}


def test_views_are_drawn_beside_the_theory(smoke_table):
    by_teachers, by_loss = draw(smoke_table).axes
    c = smoke_table.groupby("method")["coverage"].mean()
    drawn = curves(by_teachers)["their teacher, K averaged"]
    assert drawn == [[1, c["ensemble_1"]], [2, c["ensemble_2"]]]
    marks = [(marker, x) for marker, x, _ in points(by_loss)]
    assert marks[0] == ("o", pytest.approx(c["member"]))
    theory = smoke_table.groupby("method")["predicted"].mean()["paper_of_2"]
    assert ("|", pytest.approx(theory)) in marks


def test_the_interval_of_one_repetition_is_not_drawn(smoke_table):
    for table, long in ((smoke_table, True), (select(smoke_table, seed=0), False)):
        axes, _ = draw(table).axes
        bars = [each for each in axes.collections if isinstance(each, LineCollection)]
        lengths = [np.ptp(line[:, 1]) for bar in bars for line in bar.get_segments()]
        assert len(bars) == 3
        assert all(length > 0 for length in lengths) == long
        assert any(length > 0 for length in lengths) == long
