"""The synthetic part of channel_drop: views dropped alike from all samples."""

from dataclasses import replace

import pytest
import torch

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
WHO = ("one", "ensemble", "distilled")


def quiet(message, fraction):
    """Progress to nobody."""


def test_the_columns_hold_together():
    row = run_view_drop(TINY, quiet)
    assert row["fractions"] == pytest.approx([1, 2 / 3, 1 / 3])
    assert all(len(values) == 3 for values in row.values())
    for ending in ("", "_multi"):
        for i in range(3):
            each = row[f"one_each{ending}"][i]
            assert len(each) == 3
            assert row[f"one{ending}"][i] == pytest.approx(sum(each) / 3)
            gain = row[f"one{ending}"][i] - row[f"ensemble{ending}"][i]
            assert row[f"gain{ending}"][i] == pytest.approx(gain)
    for i, kept in enumerate(TINY.kept):
        for who in WHO:
            assert 0 <= row[who][i] <= 1
            assert row[f"{who}_coverage"][i] <= kept / 3 + 0.2  # by luck on few probes
    gain = [a - b for a, b in zip(row["theory_one"], row["theory_ensemble"], strict=True)]
    assert row["theory_gain"] == pytest.approx(gain)
    assert row["theory_one"] == pytest.approx([row["theory_one"][0]] * 3)
    assert row["theory_gain"][0] > row["theory_gain"][1] > row["theory_gain"][2] == 0


def test_with_nothing_dropped_it_is_plain_training():
    cell = replace(TINY, kept=(3,))
    row = run_view_drop(cell, quiet)
    features = draw_features(cell)
    train = draw_train(cell, features)
    start = new_nets(cell, "members", cell.members)
    net = train_patch_net(start, train.patches, train.labels, cell.train).net
    for ending, kind in KINDS.items():
        errors = streamed_errors(
            cell, features, kind, cell.num_test, lambda batch: {"one": net(batch.patches)}
        )
        assert row[f"one_each{ending}"][0] == errors["one"].tolist()
    plain = wrong(net(train.patches), train.labels).double().mean()
    assert row["one_train"][0] == pytest.approx(float(plain))


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
            assert row[f"{who}_train"][i] == pytest.approx(float(error))
    assert len({row[f"{who}_train"][0] for who in WHO}) == 3  # errors tell them apart


def test_each_number_of_views_is_trained_on_its_own():
    whole = run_view_drop(TINY, quiet)
    alone = run_view_drop(replace(TINY, kept=(1, 3)), quiet)
    for name, values in whole.items():
        assert alone[name] == [values[2], values[0]]


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
    assert row["fractions"] == [1, 0.5, 0.25]


def test_the_gain_goes_with_the_views():
    cell = ViewDropCell(
        seed=1000, members=6, kept=(4, 1), num_test=500, student=replace(STUDENT, max_steps=1)
    )
    row = run_view_drop(cell, quiet)
    assert row["gain"][0] > 0.4
    assert abs(row["gain"][1]) < 0.02
    for who in ("one", "ensemble"):
        assert row[who] == pytest.approx(row[f"theory_{who}"], abs=0.15)
        assert row[f"{who}_coverage"][1] == 1 / 4  # one view of each class, the same for all


@pytest.mark.parametrize("kept", [(0, 1), (4,), (), (2, 2)])
def test_impossible_views_are_refused(kept):
    with pytest.raises(ValueError, match="kept="):
        replace(TINY, kept=kept)
