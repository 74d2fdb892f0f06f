"""train_average: the identity of knees, the rows and the estimates."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from multiview import stream
from multiview.data import MultiViewSpec, make_features, sample_patches
from multiview.models import PatchNet
from multiview.runs.claims import judge
from multiview.runs.script import run_script
from multiview.train import TrainSpec, cross_entropy, rescaled, train_patch_net
from theory_experiments import _averages as averages
from theory_experiments import _temperatures as temperatures
from theory_experiments import train_average as script
from theory_experiments._averages import JointCell
from theory_experiments._patch_nets import STUDENT
from theory_experiments._temperatures import TemperatureCell

TINY = MultiViewSpec(num_classes=3, patch_dim=20, num_patches=6, sparsity=1.0, mu=0.25, sigma_p=0.1)
JOINT = JointCell(
    spec=TINY,
    num_train=60,
    num_test=50,
    probes_per_view=20,
    members=2,
    width=5,
    train=TrainSpec(max_steps=60),
    joint=TrainSpec(max_steps=60, relative_step=0.4, summed=True),
)
TEMPERATURE = TemperatureCell(
    spec=TINY,
    num_train=60,
    num_test=50,
    probes_per_view=20,
    members=2,
    width=5,
    train=TrainSpec(max_steps=40),
    student=replace(STUDENT, max_steps=12),
    temperatures=(1.0, 16.0),
)


def quiet(message: str, fraction: float) -> None:
    """Progress to nobody."""


def double_net(generator_seed: int, K: int, knee: float, sigma_init: float) -> PatchNet:
    """K networks in float64."""
    net = PatchNet(
        members=K,
        num_classes=3,
        width=6,
        patch_dim=20,
        relu_knee=knee,
        sigma_init=sigma_init,
        generator=stream(generator_seed, "init"),
    )
    return net.double()


@pytest.mark.parametrize("K", [2, 3, 7])
def test_the_mean_of_k_networks_is_the_sum_at_a_k_fold_smaller_knee(K):
    net = double_net(0, K, knee=0.3, sigma_init=1.0)
    small = double_net(0, K, knee=0.3 / K, sigma_init=1.0 / K)
    small = small.with_weight(net.weight / K)
    features = make_features(TINY, stream(0, "features"))
    patches = sample_patches(TINY, features, 40, stream(0, "train")).patches.double()
    mean, total = net(patches).mean(1), small(patches).sum(1)
    assert mean.abs().max() > 0.3  # both sides of the knee occur
    torch.testing.assert_close(mean, total, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("method", ["flow", "gd"])
def test_training_the_mean_is_training_that_sum_in_slower_time(method):
    K, knee, sigma, rate = 3, 1.5, 0.2, 1.0
    features = make_features(TINY, stream(1, "features"))
    batch = sample_patches(TINY, features, 60, stream(1, "train"))
    patches = batch.patches.double()
    loss = cross_entropy(batch.labels, 3)
    spec = TrainSpec(
        method=method, relative_step=0.05, learning_rate=rate, max_steps=400, summed=True
    )
    mean = train_patch_net(
        double_net(1, K, knee, sigma), patches, batch.labels, spec, objective=rescaled(loss, 1 / K)
    )
    start = double_net(1, K, knee / K, sigma / K)
    start = start.with_weight(double_net(1, K, knee, sigma).weight / K)
    total = train_patch_net(
        start, patches, batch.labels, replace(spec, learning_rate=rate / K**2), objective=loss
    )
    moved = (mean.net.weight - double_net(1, K, knee, sigma).weight).abs().max()
    assert moved > 1  # far from where they began
    assert mean.loss[-1] < 0.3
    assert torch.equal(mean.steps, total.steps)
    torch.testing.assert_close(mean.net.weight, K * total.net.weight, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(mean.flow_time, K**2 * total.flow_time)


def test_the_mean_of_two_at_twice_the_knee_is_a_sum_bit_by_bit():
    features = averages.draw_features(JOINT)
    train = averages.draw_train(JOINT, features)
    nets = averages.train_as_one(JOINT, train, quiet)
    assert list(nets) == ["sum", "mean", "mean_knee"]
    for name, factor, objective in (
        ("sum", 1, None),  # cross-entropy of the sum
        ("mean_knee", 2, None),
        ("mean", 1, rescaled(cross_entropy(train.labels, 3), 1 / 2)),
    ):
        start = averages.new_nets(JOINT, "sum" if name == "mean" else name, 2)
        alike = train_patch_net(
            start, train.patches, train.labels, JOINT.joint, objective=objective
        )
        assert torch.equal(nets[name].net.weight, factor * alike.net.weight)
        assert torch.equal(nets[name].steps, alike.steps)
    assert not torch.allclose(nets["mean"].net.weight, nets["sum"].net.weight)
    assert not torch.allclose(nets["mean_knee"].net.weight, 2 * nets["sum"].net.weight)


def test_one_network_is_its_own_ensemble_and_its_sum_is_its_mean():
    row = averages.run_joint(replace(JOINT, members=1), quiet)
    assert row["theory"] == 0.5
    for ending in ("", "_multi", "_train", "_coverage", "_both"):
        assert row[f"ensemble{ending}"] == row[f"one{ending}"]
        assert row[f"mean{ending}"] == row[f"sum{ending}"]


def test_a_row_measures_the_networks_it_names(monkeypatch):
    kept = {}
    fit = averages.fit
    monkeypatch.setattr(
        averages,
        "fit",
        lambda name, *args, **given: kept.setdefault(name, fit(name, *args, **given)),
    )
    early = {"max_steps": 4}  # while there are errors to tell the networks apart by
    cell = replace(JOINT, train=replace(JOINT.train, **early), joint=replace(JOINT.joint, **early))
    row = averages.run_joint(cell, quiet)
    train = averages.draw_train(JOINT, averages.draw_features(JOINT))
    for who, logits in (
        ("ensemble", kept["members"].net(train.patches).mean(1)),
        ("sum", kept["sum"].net(train.patches).sum(1)),
        ("mean", kept["mean"].net(train.patches).sum(1)),
    ):
        wrong = (logits.argmax(1) != train.labels).double().mean()
        assert row[f"{who}_train"] == pytest.approx(float(wrong))
    assert len({row[f"{who}_train"] for who in ("one", "ensemble", "sum")}) == 3
    assert row["sum_steps"] == float(kept["sum"].steps)
    assert 0 <= row["one_both"] <= row["one_coverage"] <= 1


def test_students_come_by_temperature_and_by_start(monkeypatch):
    kept = {}
    fit = temperatures.fit

    def record(name, net, *args, **given):
        kept[name] = (net, fit(name, net, *args, **given))
        return kept[name][1]

    taught, lesson = [], temperatures.hinton_lesson
    monkeypatch.setattr(temperatures, "fit", record)
    monkeypatch.setattr(
        temperatures, "hinton_lesson", lambda *given: taught.append(given) or lesson(*given)
    )
    row = temperatures.run_temperature(TEMPERATURE, quiet)
    teachers = kept["members"][1].net
    for T, (temperature, batch, teacher) in zip((1.0, 16.0), taught, strict=True):
        assert temperature == T
        torch.testing.assert_close(teacher, teachers(batch.patches).mean(1))
    start, members = kept["students"][0].weight, teachers.weight
    assert len(start) == 6  # two temperatures and the paper's update, from two starts
    for fresh, trained in zip(start[:3], start[3:], strict=True):
        assert torch.equal(fresh, start[0])
        assert torch.equal(trained, members[0])
    assert not torch.equal(start[0], members[0])
    swapped = temperatures.run_temperature(replace(TEMPERATURE, temperatures=(16.0, 1.0)), quiet)
    for who in script.STUDENTS:
        for ending in ("", "_coverage", "_loss", "_half"):
            assert swapped[who + ending] == pytest.approx(row[who + ending][::-1])
            assert swapped[f"{who}_paper{ending}"] == pytest.approx(row[f"{who}_paper{ending}"])
    assert row["fresh_loss"][0] != row["fresh_loss"][1]
    assert row["member_loss"][0] < row["fresh_loss"][0]  # it had learned before


def test_half_way_is_where_half_as_many_steps_end():
    whole = temperatures.run_temperature(TEMPERATURE, quiet)
    short = replace(TEMPERATURE, student=replace(TEMPERATURE.student, max_steps=6))
    half = temperatures.run_temperature(short, quiet)
    for who in script.STUDENTS:
        assert whole[f"{who}_half"] == pytest.approx(half[who])
        assert whole[f"{who}_coverage_half"] == pytest.approx(half[f"{who}_coverage"])


def as_predicted(seeds: int = 5) -> pd.DataFrame:
    """Rows of the laptop preset as the theory has them, with the mean at a fixed knee failing."""
    rows = []
    for seed in range(seeds):
        for cell in script.LAPTOP.cells(seed, None):
            row = {"seed": seed, "status": "ok", "part": cell.part, "members": cell.members}
            row |= {"width": cell.width, "one": 0.4 + 0.01 * seed}
            if isinstance(cell, JointCell):
                row |= {"sum": 0.6, "mean_knee": 0.6, "mean": 0.1 + 0.01 * seed}
                row |= {"ensemble": 0.5**cell.members}
                row |= {f"{who}_train": 0.0 for who in script.WAYS}
            else:
                up = [0.5 + 0.1 * i + 0.01 * seed for i in range(5)]
                row["temperatures"] = cell.temperatures
                for start in script.STUDENTS:
                    row |= {start: [1 - c for c in up], f"{start}_coverage": up}
            rows.append(row)
    return pd.DataFrame(rows)


def test_the_claims_are_supported_by_what_they_predict():
    judged = {c.name: judge(c, as_predicted()) for c in script.claims("laptop", script.NoOptions())}
    refuted = [name for name, each in judged.items() if each.verdict != "supported"]
    assert refuted == ["trained mean, K=8, knee R"]  # Figure 1 against the finite knee
    assert all(each.repetitions == 5 for each in judged.values())
    assert script.claims("smoke", script.NoOptions()) == []
    assert len({each.name for each in script.claims("paper", script.NoOptions())}) == len(judged)


def test_estimates_have_the_sign_of_their_names():
    table = as_predicted(2)
    assert script.slope("fresh_coverage")(table) == pytest.approx([0.1, 0.1])
    assert script.hottest_minus_coldest("fresh")(table) == pytest.approx([-0.4, -0.4])
    gains = [0.6 - 0.5**K for K in (2, 4, 8, 4, 4)]
    for how, expected in (("mean", np.mean(gains)), ("max", max(gains))):
        gain = script.by_seed(how, lambda rows: rows["sum"] - rows["ensemble"])(table)
        assert gain.tolist() == pytest.approx([expected] * 2)
    assert script.at(4, 15, lambda rows: rows["mean"])(table).tolist() == pytest.approx([0.1, 0.11])


def test_the_smoke_preset_runs_and_is_drawn(tmp_path):
    args = ["--preset", "smoke", "--out", str(tmp_path)]
    assert run_script(script.EXPERIMENT, args) == 0
    stored = tmp_path / "train_average"
    assert (stored / "train_average-smoke.png").stat().st_size


def test_every_preset_covers_every_size_and_width():
    for sweep in script.SWEEPS.values():
        cells = list(sweep.cells(3, None))
        assert {cell.seed for cell in cells} == {3}
        shapes = [(cell.members, cell.width) for cell in cells[:-1]]
        assert len(set(shapes)) == len(shapes) == len(sweep.sizes) + len(sweep.widths)
        assert sweep.size_of_widths in sweep.sizes  # the base width belongs to the axis of widths
        assert isinstance(cells[-1], TemperatureCell)
        assert np.all(np.diff(cells[-1].temperatures) > 0)
