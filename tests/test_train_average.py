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
    assert list(nets) == ["summed", "mean", "mean_knee"]
    for name, factor, objective in (
        ("summed", 1, None),  # cross-entropy of the sum
        ("mean_knee", 2, None),
        ("mean", 1, rescaled(cross_entropy(train.labels, 3), 1 / 2)),
    ):
        stream_of = "mean_knee" if name == "mean_knee" else "sum"
        start = averages.new_nets(JOINT, stream_of, 2)
        alike = train_patch_net(
            start, train.patches, train.labels, JOINT.joint, objective=objective
        )
        assert torch.equal(nets[name].net.weight, factor * alike.net.weight)
        assert torch.equal(nets[name].steps, alike.steps)
    assert not torch.allclose(nets["mean"].net.weight, nets["summed"].net.weight)
    assert not torch.allclose(nets["mean_knee"].net.weight, 2 * nets["summed"].net.weight)


def test_one_network_is_its_own_ensemble_and_its_sum_is_its_mean():
    row = averages.run_joint(replace(JOINT, members=1), quiet)
    assert row["data"]["theory"] == 0.5
    for measure in ("single", "multi", "train", "coverage", "both"):
        assert row["ensemble"][measure] == row["member"][measure]
        assert row["mean"][measure] == row["summed"][measure]


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
        ("summed", kept["summed"].net(train.patches).sum(1)),
        ("mean", kept["mean"].net(train.patches).sum(1)),
    ):
        wrong = (logits.argmax(1) != train.labels).double().mean()
        assert row[who]["train"] == pytest.approx(float(wrong))
    assert len({row[who]["train"] for who in ("member", "ensemble", "summed")}) == 3
    assert row["summed"]["steps"] == float(kept["summed"].steps)
    assert 0 <= row["member"]["both"] <= row["member"]["coverage"] <= 1


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
    for start in script.STUDENTS:
        for method in (f"{start}_T1", f"{start}_T16", f"{start}_paper"):
            for measure in ("single", "coverage", "loss", "single_half"):
                assert swapped[method][measure] == pytest.approx(row[method][measure])
            assert row[method]["start"] == start
        assert row[f"{start}_T16"]["student_temperature"] == 16
        assert row[f"{start}_paper"]["student_temperature"] is None
    assert row["fresh_T1"]["loss"] != row["fresh_T16"]["loss"]
    assert row["continued_T1"]["loss"] < row["fresh_T1"]["loss"]  # it had learned before


def test_each_measure_stands_with_the_student_it_is_of(monkeypatch):
    kept = {}
    fit = temperatures.fit
    monkeypatch.setattr(
        temperatures,
        "fit",
        lambda name, *args, **given: kept.setdefault(name, fit(name, *args, **given)),
    )
    row = temperatures.run_temperature(TEMPERATURE, quiet)
    train = temperatures.draw_train(TEMPERATURE, temperatures.draw_features(TEMPERATURE))
    wrong = kept["students"].net(train.patches).argmax(-1) != train.labels.unsqueeze(1)
    students = [f"{start}_{by}" for start in script.STUDENTS for by in ("T1", "T16", "paper")]
    for student, error, loss in zip(
        students, wrong.double().mean(0).tolist(), kept["students"].loss[-1].tolist(), strict=True
    ):
        assert row[student]["train"] == pytest.approx(error)
        assert row[student]["loss"] == pytest.approx(loss)
    assert len({row[student]["loss"] for student in students}) == len(students)


def test_half_way_is_where_half_as_many_steps_end():
    whole = temperatures.run_temperature(TEMPERATURE, quiet)
    short = replace(TEMPERATURE, student=replace(TEMPERATURE.student, max_steps=6))
    half = temperatures.run_temperature(short, quiet)
    for method in ("fresh_T1", "fresh_paper", "continued_T16"):
        assert whole[method]["single_half"] == pytest.approx(half[method]["single"])
        assert whole[method]["coverage_half"] == pytest.approx(half[method]["coverage"])


def as_predicted(seeds: int = 5) -> pd.DataFrame:
    """Lines of the laptop preset as the theory has them, with the mean at a fixed knee failing."""
    lines = []
    for seed in range(seeds):
        drift = 0.01 * seed
        for cell in script.LAPTOP.cells():
            known = {"seed": seed, "status": "ok", "part": cell.part, "members": cell.members}
            known |= {"width": cell.width, "spec.num_classes": 10, "spec.num_views": 2}
            known |= {"train": 0.0, "coverage": 0.5 + drift}
            error = {"member": 0.4 + drift}
            if isinstance(cell, JointCell):
                error |= {"summed": 0.6, "mean_knee": 0.6 + drift / 10, "mean": 0.1 + drift / 2}
                error |= {"ensemble": 0.5**cell.members}
            lines += [{**known, "method": who, "single": each} for who, each in error.items()]
            if isinstance(cell, TemperatureCell):
                for start in script.STUDENTS:
                    known["start"] = start
                    for i, T in enumerate(cell.temperatures):
                        c, name = 0.5 + (0.1 + drift / 10) * i, f"{start}_T{T:g}"
                        known |= {"method": name, "student_temperature": T}
                        lines.append({**known, "coverage": c, "single": 1 - c})
                    known |= {"method": f"{start}_paper", "student_temperature": None}
                    lines.append({**known, "single": 0.0})
    return script.derived(pd.DataFrame(lines))


def test_the_claims_are_supported_by_what_they_predict():
    judged = {claim.name: judge(claim, as_predicted(10)) for claim in of_laptop()}
    refuted = [name for name, each in judged.items() if each.verdict != "supported"]
    assert refuted == ["trained mean, K=8, knee R"]  # Figure 1 against the finite knee
    assert judged["trained mean, K=8, knee R"].verdict == "refuted"
    assert all(each.repetitions == 10 for each in judged.values())
    assert script.EXPERIMENT.claims_about("smoke", script.EXPERIMENT.options()) == []
    assert len(list(script.claims(script.PAPER.cells()))) == len(judged)


def of_laptop():
    """The claims of the laptop preset."""
    return list(script.claims(script.LAPTOP.cells()))


def test_a_network_that_errs_in_training_fails_the_check():
    table = as_predicted(3)
    table.loc[(table["seed"] == 1) & (table["method"] == "mean"), "train"] = 0.01
    claim = next(claim for claim in of_laptop() if claim.name == "training error")
    assert judge(claim, table).verdict == "refuted"


def test_estimates_have_the_sign_of_their_names():
    table = as_predicted(2)
    of = {claim.name: claim.estimate.of(table).by_seed.tolist() for claim in of_laptop()}
    assert of["fresh student: coverage by T"] == pytest.approx([0.1, 0.101])
    assert of["fresh student: error by T"] == pytest.approx([-0.1, -0.101])
    assert of["fresh student: T=16 against 1"] == pytest.approx([0.4, 0.404])
    assert of["ensemble against sum, K=4"] == pytest.approx([0.6 - 0.5**4] * 2)
    assert of["trained sum, K=4, width 15"] == pytest.approx([-0.2, -0.19])
    assert of["mean against one network, K=8"] == pytest.approx([0.1 / 0.4, 0.105 / 0.41])
    table.loc[(table["width"] == 15) & (table["method"] == "mean_knee"), "single"] += 0.5
    gap = next(claim for claim in of_laptop() if claim.name == "mean at knee K R against sum")
    assert gap.estimate.of(table).by_seed.tolist() == pytest.approx([0.1, 0.101])  # of five cells


def test_errors_and_coverage_are_counted_in_views_but_for_means_over_members():
    table = as_predicted(1).set_index("method")
    assert (table.loc[["ensemble", "summed", "fresh_T1", "fresh_paper"], "single_of"] == 20).all()
    assert (table.loc[["fresh_T1"], "coverage_of"] == 20).all()
    assert table.loc["member", "single_of"].isna().all()


def test_the_smoke_preset_runs_and_is_drawn(tmp_path):
    args = ["--preset", "smoke", "--out", str(tmp_path)]
    assert run_script(script.EXPERIMENT, args) == 0
    stored = tmp_path / "train_average"
    assert (stored / "train_average-smoke.png").stat().st_size


@pytest.mark.parametrize("sweep", [script.SMOKE, script.LAPTOP, script.PAPER])
def test_every_preset_covers_every_size_and_width(sweep):
    cells = sweep.cells()
    shapes = [(cell.members, cell.width) for cell in cells[:-1]]
    assert len(set(shapes)) == len(shapes) == len(sweep.sizes) + len(sweep.widths)
    assert sweep.size_of_widths in sweep.sizes  # the base width belongs to the axis of widths
    assert isinstance(cells[-1], TemperatureCell)
    assert np.all(np.diff(cells[-1].temperatures) > 0)
