"""The negative control: targets, noise, learners, and the gain that variance allows."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import norm

from multiview import stream
from multiview.bench import Cell, check, run
from multiview.models.families import FAMILIES
from multiview.runs.experiment import Context, NoOptions
from multiview.runs.find import find
from multiview.runs.script import run_script
from multiview.runs.store import load
from theory_experiments import gaussian_inputs as script
from theory_experiments.settings import BY_SGD
from theory_experiments.views import gaussian_tasks as tasks
from theory_experiments.views.surrogates import Gains, gains, surrogate_error

EXPERIMENT = find("gaussian_inputs")
SMOKE: Any = script.SMOKE[0].setting
TINY = replace(SMOKE, num_train=60, num_test=100, label_noise=0.1)


def bench(setting: tasks.TaskSetting = TINY, seed: int = 0) -> tasks.TaskBench:
    return setting.bench(seed, Context())


def test_the_loss_of_members_is_the_sum_of_their_cross_entropies():
    logits = torch.randn(6, 4, 3, generator=stream(0, "logits"))
    labels = torch.randint(0, 3, (10,), generator=stream(0, "labels"))
    rows = torch.tensor([9, 3, 4, 0, 1, 7])
    expected = sum(torch.nn.functional.cross_entropy(logits[:, e], labels[rows]) for e in range(4))
    torch.testing.assert_close(tasks.members_cross_entropy(labels)(logits, logits, rows), expected)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("inputs", ["gaussian", "mixture"])
def test_labels_are_balanced(inputs, family):
    drawn = bench(replace(script.GAUSSIAN, inputs=inputs, target=family), seed=5)
    x = drawn.gaussian_inputs(4000, "train")
    assert float(x.mean()) == pytest.approx(0, abs=0.2)  # the means of a mixture are few
    assert float(x.square().mean()) == pytest.approx(1, abs=0.15)
    (labels,) = drawn.target_labels(x)
    counts = labels.bincount(minlength=10) / 4000
    assert counts.min() > 0.02
    assert counts.max() < 0.3


def test_labels_follow_the_largest_logit_and_know_nothing_of_the_scale_of_a_class():
    pilot = torch.randn(tasks.PILOT, 4, generator=stream(0, "pilot"))
    logits = torch.randn(500, 4, generator=stream(0, "logits"))
    (labels,) = tasks.standardised_labels([logits], pilot)
    # The pilot's mean and standard deviation are 0 and 1 up to a percent.
    ahead = logits.topk(2).values
    clear = ahead[:, 0] - ahead[:, 1] > 0.1
    assert torch.equal(labels[clear], logits[clear].argmax(1))
    scale, shift = torch.linspace(0.5, 3, 4), torch.linspace(-5, 5, 4)
    (same,) = tasks.standardised_labels([logits * scale + shift], pilot * scale + shift)
    assert (labels == same).double().mean() > 0.999  # up to rounding


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.33])
def test_noise_changes_the_stated_fraction_and_always_the_class(fraction):
    labels = torch.randint(0, 5, (3000,), generator=stream(0, "labels"))
    noisy = tasks.noisy_labels(labels, fraction, 5, stream(0, "noise"))
    changed = noisy != labels
    assert int(changed.sum()) == round(fraction * 3000)
    assert noisy.min() >= 0
    assert noisy.max() < 5
    if fraction:
        shifts = ((noisy - labels) % 5)[changed].bincount(minlength=5)
        assert shifts[0] == 0
        assert shifts[1:].min() > 0.15 * changed.sum()  # a quarter each


def test_noise_leaves_the_inputs_and_the_test_labels_alone():
    noisy, clean = bench(), bench(replace(TINY, label_noise=0.0))
    assert torch.equal(noisy.inputs, clean.inputs)
    assert int((noisy.labels != clean.labels).sum()) == 6
    assert torch.equal(noisy.tests[""].labels, clean.tests[""].labels)
    assert torch.equal(bench(replace(TINY, target="residual")).inputs, noisy.inputs)


@pytest.mark.parametrize("inputs", ["gaussian", "mixture"])
def test_test_samples_are_held_out_and_a_repetition_redraws_all(inputs):
    setting = replace(TINY, inputs=inputs, num_test=60, label_noise=0.0)
    first, second = bench(setting), bench(setting, seed=1)
    assert not torch.equal(first.tests[""].patches, first.inputs)
    assert not torch.equal(second.inputs, first.inputs)
    (labels,) = second.target_labels(first.inputs)
    assert (labels != first.labels).double().mean() > 0.3


def test_equal_members_are_allowed_no_gain():
    logits = torch.randn(200, 1, 4, generator=stream(0, "logits")).expand(-1, 3, -1)
    labels = torch.randint(0, 4, (200,), generator=stream(0, "labels"))
    found = gains(logits, labels, 10, stream(0, "surrogates"))
    assert 0.5 < found["member"] < 1
    for name in ("gain", "surrogate_gain", "spread"):
        assert found[name] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("members", [2, 5])
def test_the_surrogates_of_two_classes_err_as_a_normal_margin_does(members):
    margin = torch.randn(3, members, generator=stream(members, "margins")).double() + 0.5
    shift = torch.randn(3, members, generator=stream(members, "shifts")).double()
    logits = torch.stack([margin + shift, shift], 2)  # of both classes; only the margin counts
    expected = norm.cdf(-margin.mean(1) / margin.std(1, correction=0)).mean()
    labels = torch.zeros(3, dtype=torch.long)
    found = surrogate_error(logits, labels, 40_000, stream(0, "surrogates"))
    assert found == pytest.approx(expected, abs=0.006)


def test_members_that_know_or_do_not_gain_more_than_variance_allows():
    """Half of the members are right by far, half wrong by little, whatever the sample."""
    known = torch.tensor([[3.0, 0.0], [0.0, 1.0]])  # (members, k)
    logits = known.expand(500, 2, 2)
    found = gains(logits, torch.zeros(500, dtype=torch.long), 100, stream(0, "s"))
    assert found["member"] == 0.5
    assert found["each"] == [0.0, 1.0]
    assert found["best"] == 0.0
    assert found["ensemble"] == 0.0
    assert found["gain"] == 0.5
    assert found["surrogate_gain"] == pytest.approx(norm.cdf(-0.5), abs=0.01)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"inputs": "uniform"}, "inputs"),
        ({"target": "views"}, "does not label gaussian"),
        ({"inputs": "multi-view"}, "does not label multi-view"),
        ({"label_noise": 1.0}, "label_noise"),
        ({"members": 1}, "ensemble"),
    ],
)
def test_cells_that_make_no_sense_are_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        replace(TINY, **changes)
    with pytest.raises(ValueError, match="draws=0"):
        Gains(draws=0)
    with pytest.raises(ValueError, match="use a TaskSetting"):
        check([Cell(setting=BY_SGD, measures=(Gains(),))], Context())


@pytest.mark.parametrize("preset", ["smoke", "laptop", "paper"])
def test_every_preset_holds_every_task(preset):
    cells = EXPERIMENT.cells(preset, NoOptions(), seeds=2)
    assert len(cells) == len(set(cells)) == 2 * 13
    found = [(c.setting.inputs, c.setting.label_noise, c.setting.target) for c in cells[:13]]
    assert found[-1] == ("multi-view", 0.0, "views")
    worlds = (("gaussian", 0.0), ("gaussian", 0.1), ("mixture", 0.0))
    assert found[:-1] == [(*world, target) for world in worlds for target in FAMILIES]


@pytest.mark.parametrize("views", [False, True])
def test_a_row_holds_together(views):
    row = run(script.SMOKE[-1 if views else 0], Context())
    for learner in script.LEARNERS:
        for ending in ("", "_multi") if views else ("",):
            got = row[learner + ending]
            assert got["member"] == pytest.approx(np.mean(got["each"]))
            assert got["spread"] == pytest.approx(np.std(got["each"], ddof=1))
            assert got["best"] == min(got["each"])
            assert got["gain"] == pytest.approx(got["member"] - got["ensemble"])
            assert 0 <= got["surrogate_gain"] + got["ensemble"] <= 1
        assert 0 <= row[learner]["train"] <= 1
    assert views == any(name.endswith("_multi") for name in row)


def task(seed, inputs, target, **smoothed):
    """Lines of a task where only the paper's learner gains, if any does."""
    same = {"train": 0.0, "member": 0.5, "best": 0.5, "spread": 0.0, "ensemble": 0.5}
    same |= {"gain": 0.0, "surrogate_gain": 0.0}
    where = {"seed": seed, "inputs": inputs, "target": target, "label_noise": 0.0, "status": "ok"}
    where |= {"spec.num_classes": 10, "spec.num_views": 2}
    changes = {"smoothed": smoothed}
    return [where | same | {"method": name} | changes.get(name, {}) for name in script.LEARNERS]


def table_of(*tasks):
    return script.derived(pd.DataFrame([line for each in tasks for line in each]))


def test_estimates_have_the_signs_of_their_names():
    table = table_of(
        task(0, "gaussian", "linear", ensemble=0.4, best=0.45, gain=0.1, surrogate_gain=0.06),
        task(0, "mixture", "residual"),
        task(0, "multi-view", "views", ensemble=0.1, gain=0.4, surrogate_gain=0.1, spread=0.02),
        [
            {**line, "method": f"{line['method']}_multi", "gain": 0.9}  # which no claim is about
            for line in task(0, "multi-view", "views", gain=0.9)
        ],
        task(1, "gaussian", "linear"),
    )
    claims = EXPERIMENT.claims_about("laptop", NoOptions())
    values = {claim.name: claim.estimate.of(table).by_seed for claim in claims}
    # Ten pairs of seed 0; one of them gains.
    assert values["gain is variance"].loc[0] == pytest.approx(0.004)
    assert values["gain is variance, worst pair"].loc[0] == pytest.approx(0.04)
    assert values["no gain over the best member"].loc[0] == pytest.approx(0.005)
    # It loses a fifth of its errors, the paper's learner on multi-view data four fifths.
    assert values["relative drop, worst pair"].loc[0] == pytest.approx(0.25)
    assert values["relative drop, paper's learner"].loc[0] == pytest.approx(0.125)
    assert values["relative drop, all learners"].loc[0] == pytest.approx(0.025)
    assert np.isnan(values["relative drop, all learners"].loc[1])  # its multi-view row is missing
    assert values["multi-view drop"].tolist() == pytest.approx([0.8])
    assert values["multi-view gain is not variance"].tolist() == pytest.approx([0.3])
    assert values["spread far below the gain"].tolist() == pytest.approx([0.05])
    assert EXPERIMENT.claims_about("smoke", NoOptions()) == []


def test_only_an_ensembles_error_on_single_view_samples_counts_views():
    table = table_of(
        task(0, "gaussian", "linear"),
        task(0, "multi-view", "views"),
        [{**line, "method": "smoothed_multi"} for line in task(0, "multi-view", "views")[-1:]],
    )
    counted = table.loc[table["ensemble_of"].notna()]
    assert set(counted["inputs"]) == {"multi-view"}
    assert set(counted["method"]) == set(script.LEARNERS)
    assert set(counted["ensemble_of"]) == {20}


def test_claims_say_how_many_samples_they_are_about():
    for preset, samples in (("laptop", "N=1,000"), ("paper", "N=10,000")):
        claims = {each.name: each for each in EXPERIMENT.claims_about(preset, NoOptions())}
        assert samples in claims["no gain over the best member"].statement


def test_the_smoke_preset_runs_and_is_drawn(tmp_path, capfd):
    args = ["--preset", "smoke", "--seeds", "1", "--engine", "local", "--out", str(tmp_path)]
    assert run_script(find("gaussian_inputs"), args) == 0
    assert "multi-view, single-view samples" in " ".join(capfd.readouterr().out.lower().split())
    assert (tmp_path / "gaussian_inputs" / "gaussian_inputs-smoke.png").stat().st_size
    assert len(load(tmp_path / "gaussian_inputs")) == 13 * 5 + 5


def test_another_device_is_refused(tmp_path, capfd):
    args = ["--preset", "smoke", "--device", "cuda", "--out", str(tmp_path)]
    assert run_script(find("gaussian_inputs"), args) == 2
    assert "CPU" in capfd.readouterr().err or not torch.cuda.is_available()
