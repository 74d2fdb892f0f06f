"""The synthetic part of channel_drop: views dropped alike from all samples."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from tidy_tables import table_of

from multiview.data import MultiViewSpec
from multiview.data.views import without_views
from multiview.train import TrainSpec, train_patch_net
from multiview.train.metrics import wrong
from theory_experiments import _view_drop as drop
from theory_experiments._patch_nets import (
    KINDS,
    STUDENT,
    draw_features,
    draw_train,
    new_nets,
    streamed_errors,
)
from theory_experiments._view_drop import SMOKE, ViewDropCell, run_view_drop
from theory_experiments.channel_drop import derived

TINY = ViewDropCell(
    spec=MultiViewSpec(
        num_classes=3, num_views=3, patch_dim=20, num_patches=8, sparsity=1.0, mu=0.25, sigma_p=0.1
    ),
    num_train=60,
    num_test=100,
    members=3,
    width=5,
    train=TrainSpec(max_steps=15),  # stopped while there are errors to tell networks apart by
    student=replace(STUDENT, max_steps=8),
    kept=(3, 2, 1),
)
WHO = ("member", "ensemble", "distilled")


def quiet(message, fraction):
    """Progress to nobody."""


def test_the_measures_hold_together():
    row = run_view_drop(TINY, quiet)
    assert set(row) == {f"{who}_{kept}" for who in WHO for kept in TINY.kept}
    for kept in TINY.kept:
        member, ensemble = row[f"member_{kept}"], row[f"ensemble_{kept}"]
        for kind, gain in (("single", "gain"), ("multi", "gain_multi")):
            assert len(member[f"{kind}_each"]) == 3
            assert member[kind] == pytest.approx(np.mean(member[f"{kind}_each"]))
            assert ensemble[gain] == pytest.approx(member[kind] - ensemble[kind])
        for who in WHO:
            each = row[f"{who}_{kept}"]
            assert each["classifier"] == who
            assert each["fraction"] == kept / 3
            assert 0 <= each["single"] <= 1
            assert each["coverage"] <= kept / 3 + 0.2  # by luck on few probes
        gain = member["predicted"] - ensemble["predicted"]
        assert ensemble["predicted_gain"] == pytest.approx(gain)
        assert member["predicted"] == pytest.approx(row["member_3"]["predicted"])
    gains = [row[f"ensemble_{kept}"]["predicted_gain"] for kept in TINY.kept]
    assert gains[0] > gains[1] > gains[2] == 0


def test_single_classifiers_are_counted_in_views_and_means_are_not():
    table = derived(table_of((TINY, run_view_drop(TINY, quiet))))
    for measure in ("single_of", "coverage_of"):
        units: Any = table.set_index("method")[measure]
        assert units[["ensemble_3", "distilled_1"]].tolist() == [9, 9]
        assert units[["member_3", "member_2", "member_1"]].isna().all()


def test_with_nothing_dropped_it_is_plain_training():
    cell = replace(TINY, kept=(3,))
    row = run_view_drop(cell, quiet)
    features = draw_features(cell)
    train = draw_train(cell, features)
    start = new_nets(cell, "members", cell.members)
    net = train_patch_net(start, train.patches, train.labels, cell.train).net
    for kind in KINDS:
        errors = streamed_errors(
            cell, features, kind, cell.num_test, lambda batch: {"member": net(batch.patches)}
        )
        assert row["member_3"][f"{kind}_each"] == errors["member"].tolist()
    plain = wrong(net(train.patches), train.labels).double().mean()
    assert row["member_3"]["train"] == pytest.approx(float(plain))


def test_networks_train_and_are_tested_without_the_dropped_views(monkeypatch):
    cell = replace(TINY, kept=(2,))
    trained, answered = [], []

    def fit(name, net, batch, *args, **given):
        trained.append(batch)
        return drop_fit(name, net, batch, *args, **given)

    def logits_of(net, batch):
        answered.append(batch)
        return drop_logits(net, batch)

    drop_fit, drop_logits = drop.fit, drop.logits_of
    monkeypatch.setattr(drop, "fit", fit)
    monkeypatch.setattr(drop, "logits_of", logits_of)
    run_view_drop(cell, quiet)
    features = draw_features(cell)
    assert len(trained) == 2  # members and student
    assert len({batch.patches.shape for batch in answered}) > 1  # training and test samples
    for batch in trained + answered:
        amount = torch.einsum("npd,kvd->npkv", batch.patches, features).abs().amax((0, 1, 2))
        assert amount[2] < 1e-5
        assert amount[:2].min() > 0.5
    dropped = torch.zeros(3, 3, dtype=torch.bool)
    dropped[:, 2] = True
    expected = without_views(draw_train(cell, features).patches, features, dropped)
    assert all(torch.equal(batch.patches, expected) for batch in trained)


def test_the_student_learns_from_the_ensemble_of_its_own_views(monkeypatch):
    kept, taught = {}, []
    fit, lesson = drop.fit, drop.paper_lesson

    def record(name, *args, **given):
        kept[name] = fit(name, *args, **given)
        return kept[name]

    monkeypatch.setattr(drop, "fit", record)
    monkeypatch.setattr(drop, "paper_lesson", lambda *a: taught.append(a) or lesson(*a))
    row = run_view_drop(TINY, quiet)
    assert list(kept) == [
        f"{number} views, {who}" for number in (3, 2, 1) for who in ("members", "student")
    ]
    for i, (_, batch, teacher) in enumerate(taught):
        members, student = (kept[f"{3 - i} views, {who}"].net for who in ("members", "student"))
        torch.testing.assert_close(teacher, members(batch.patches).mean(1))
        for who, logits in (("ensemble", teacher), ("distilled", student(batch.patches)[:, 0])):
            error = wrong(logits, batch.labels).double().mean()
            assert row[f"{who}_{3 - i}"]["train"] == pytest.approx(float(error))
    assert len({row[f"{who}_3"]["train"] for who in WHO}) == 3  # errors tell them apart


def test_each_number_of_views_is_trained_on_its_own():
    whole = run_view_drop(TINY, quiet)
    alone = run_view_drop(replace(TINY, kept=(1, 3)), quiet)
    for name in (f"{who}_{kept}" for who in WHO for kept in (1, 3)):
        assert alone[name] == whole[name]


def test_progress_runs_from_beginning_to_end():
    seen = []
    run_view_drop(TINY, lambda message, fraction: seen.append((fraction, message)))
    fractions = [fraction for fraction, _ in seen]
    assert fractions == sorted(fractions)
    assert fractions[0] < 0.1
    assert fractions[-1] == 1.0
    assert any(message.startswith("2 views, student: step") for _, message in seen)


def test_the_smoke_cell_has_every_number_of_views():
    row = run_view_drop(SMOKE, quiet)
    assert [row[f"member_{kept}"]["fraction"] for kept in (4, 2, 1)] == [1, 0.5, 0.25]


def test_the_gain_goes_with_the_views():
    cell = ViewDropCell(
        seed=1000, members=6, kept=(4, 1), num_test=500, student=replace(STUDENT, max_steps=1)
    )
    row = run_view_drop(cell, quiet)
    assert row["ensemble_4"]["gain"] > 0.4
    assert abs(row["ensemble_1"]["gain"]) < 0.02
    for who in ("member", "ensemble"):
        for kept in cell.kept:
            each = row[f"{who}_{kept}"]
            assert each["single"] == pytest.approx(each["predicted"], abs=0.15)
        assert each["coverage"] == 1 / 4  # one view of each class, the same for all


@pytest.mark.parametrize("kept", [(0, 1), (4,), (), (2, 2)])
def test_impossible_views_are_refused(kept):
    with pytest.raises(ValueError, match="kept="):
        replace(TINY, kept=kept)
