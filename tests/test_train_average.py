"""train_average: the identity of knees, its cells and its claims on ideal tables."""

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
import torch
from tidy_tables import table_of

from multiview import stream
from multiview.bench import Flow, PatchSetting, Sgd
from multiview.data import MultiViewSpec, make_features, sample_patches
from multiview.distill import Hinton
from multiview.models import PatchNet
from multiview.runs.claims import judge
from multiview.runs.experiment import Context
from multiview.runs.script import run_script
from multiview.train import OptimSpec, TrainSpec, cross_entropy, rescaled, train_patch_net
from theory_experiments import train_average as script
from theory_experiments.views.trained_mean import TrainedMean

TINY = MultiViewSpec(num_classes=3, patch_dim=20, num_patches=6, sparsity=1.0, mu=0.25, sigma_p=0.1)
SETTING = PatchSetting(
    spec=TINY,
    num_train=60,
    members=2,
    width=5,
    training=Flow(
        labels=TrainSpec(max_steps=60, relative_step=0.4),
        students=TrainSpec(method="adaptive", max_steps=12, loss_bound=0.0),
    ),
)


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


def weights_of(bench, method) -> torch.Tensor:
    """Of the networks behind a sum."""
    net = bench.trained(method).net
    assert net is not None
    return net.net.weight


def test_the_mean_of_two_at_twice_the_knee_is_a_sum_bit_by_bit():
    bench = SETTING.bench(0, Context())
    labels: Any = SETTING.training.labels
    alike = train_patch_net(
        bench.nets("mean_knee", 2),
        bench.inputs,
        bench.labels,
        replace(labels, summed=True),
    )
    at_twice = weights_of(bench, script.AS_ONE["mean_knee"])
    assert torch.equal(at_twice, 2 * alike.net.weight)
    summed, mean = (weights_of(bench, script.AS_ONE[name]) for name in ("summed", "mean"))
    assert not torch.allclose(mean, summed)
    assert not torch.allclose(at_twice, 2 * summed)


def test_the_mean_of_one_network_is_its_sum():
    bench = replace(SETTING, members=1).bench(0, Context())
    summed, mean = (bench.trained(script.AS_ONE[name]) for name in ("summed", "mean"))
    assert torch.equal(summed.logits(bench.inputs), mean.logits(bench.inputs))
    assert summed.notes == mean.notes


def test_a_mean_follows_the_flow_alone():
    optim = OptimSpec(epochs=1)
    by_sgd = replace(SETTING, training=Sgd(labels=optim, students=optim))
    with pytest.raises(ValueError, match="TrainedMean follows the gradient flow"):
        TrainedMean().check(by_sgd)
    TrainedMean().check(SETTING)


def test_students_come_by_temperature_and_by_start():
    students, varied = script.by_temperature((1.0, 16.0))
    assert list(students)[:3] == ["fresh_T1", "fresh_T16", "fresh_paper"]
    assert students["continued_T16"].kd_loss == Hinton(16.0)
    assert {students[f"fresh_{by}"].start for by in ("T1", "T16", "paper")} == {"student"}
    assert varied.values["fresh_T16"] == {"start": "fresh", "student_temperature": 16}
    assert varied.values["continued_paper"] == {"start": "continued"}


def as_predicted(seeds: int = 5) -> pd.DataFrame:
    """The laptop preset as the theory has it, with the mean at a fixed knee failing."""
    results = []
    for seed in range(seeds):
        drift = 0.01 * seed
        for cell in script.LAPTOP:
            known = {"train": 0.0, "coverage": 0.5 + drift}
            error = {"member": 0.4 + drift}
            if cell.part == "joint":
                error |= {"summed": 0.6, "mean_knee": 0.6 + drift / 10, "mean": 0.1 + drift / 2}
                error |= {"ensemble": 0.5**cell.setting.members}
            row = {who: {**known, "single": each} for who, each in error.items()}
            if cell.part == "temperature":
                _, varied = script.by_temperature((1.0, 2.0, 4.0, 8.0, 16.0))
                for i, (name, values) in enumerate(varied.values.items()):
                    c = 0.5 + (0.1 + drift / 10) * (i % 6)
                    row[name] = {**known, **values, "coverage": c, "single": 1 - c}
            results.append((replace(cell, seed=seed), row))
    return script.derived(table_of(*results))


def test_the_claims_are_supported_by_what_they_predict():
    judged = {claim.name: judge(claim, as_predicted(10)) for claim in of_laptop()}
    refuted = [name for name, each in judged.items() if each.verdict != "supported"]
    assert refuted == ["trained mean, K=8, knee R"]  # Figure 1 against the finite knee
    assert judged["trained mean, K=8, knee R"].verdict == "refuted"
    assert all(each.repetitions == 10 for each in judged.values())
    assert script.EXPERIMENT.claims_about("smoke", script.EXPERIMENT.options()) == []
    assert len(list(script.claims(script.PAPER))) == len(judged)


def of_laptop():
    """The claims of the laptop preset."""
    return list(script.claims(script.LAPTOP))


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
    args = ["--preset", "smoke", "--seeds", "1", "--out", str(tmp_path)]
    assert run_script(script.EXPERIMENT, args) == 0
    stored = tmp_path / "train_average"
    assert (stored / "train_average-smoke.png").stat().st_size


@pytest.mark.parametrize("cells", [script.SMOKE, script.LAPTOP, script.PAPER])
def test_every_preset_covers_every_size_and_width(cells):
    *joint, students = cells
    shapes = [(cell.setting.members, cell.setting.width) for cell in joint]
    assert len(set(shapes)) == len(shapes)
    base = joint[0].setting.width
    of_base = {size for size, width in shapes if width == base}
    assert {size for size, width in shapes if width != base} <= of_base
    assert len(of_base) >= 2
    assert students.part == "temperature"
    assert joint[0].setting.training.summed.relative_step == 0.4
