"""The negative control: targets, noise, batched learners, and the gain that variance allows."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import norm

from multiview import stream
from multiview.runs.experiment import Context, NoOptions
from multiview.runs.find import find
from multiview.runs.script import run_script
from multiview.runs.store import load
from multiview.train import TrainSpec
from multiview.train.loop import fit
from multiview.train.optim import OptimSpec
from theory_experiments import _gaussian_tasks as tasks
from theory_experiments import gaussian_inputs as script
from theory_experiments._learners import FAMILIES, Networks, members_cross_entropy
from theory_experiments._surrogates import gains, surrogate_error

EXPERIMENT = find("gaussian_inputs")
TINY = replace(script.SIZES["smoke"][0], num_train=60, num_test=100, label_noise=0.1)


def networks(family, members=3, seed=0):
    sizes = {"num_patches": 4, "patch_dim": 5, "num_classes": 3, "width": 6}
    nets = Networks(family, members=members, **sizes, generator=stream(seed, family)).double()
    for bias in nets.biases:
        bias.data.normal_(generator=stream(seed, "bias"))
    return nets


def member(nets, e):
    alone = networks(nets.family, members=1)
    alone.load_state_dict({name: value[e : e + 1] for name, value in nets.state_dict().items()})
    return alone


def one_by_one(nets, patches):
    """Logits from the definition: member by member, sample by sample."""
    weights = [w.detach().numpy() for w in nets.weights]
    biases = [b.detach().numpy() for b in nets.biases]
    logits = np.zeros((len(patches), len(weights[0]), weights[-1].shape[2]))
    for n, x in enumerate(patches.numpy()):
        for e in range(len(weights[0])):
            first, *later = [(w[e], b[e]) for w, b in zip(weights, biases, strict=True)]
            flat = x.reshape(-1)
            if nets.family == "convolutional":
                state = sum(np.maximum(patch @ first[0] + first[1], 0) for patch in x)
            else:
                state = flat @ first[0] + first[1]
            if nets.family == "connected":
                state = np.maximum(state, 0)
            if nets.family == "residual":
                (w1, b1), (w2, b2), _ = later
                state = state + np.maximum(np.maximum(state, 0) @ w1 + b1, 0) @ w2 + b2
            logits[n, e] = state @ later[-1][0] + later[-1][1] if later else state
    return logits


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_computes_what_it_says(family):
    nets = networks(family)
    patches = torch.randn(7, 4, 5, generator=stream(0, "x")).double()
    np.testing.assert_allclose(nets(patches).detach().numpy(), one_by_one(nets, patches))


@pytest.mark.parametrize("family", FAMILIES)
def test_members_trained_together_are_members_trained_alone(family):
    nets = networks(family)
    alone = [member(nets, e) for e in range(3)]
    patches = torch.randn(30, 4, 5, generator=stream(0, "x")).double()
    labels = torch.randint(0, 3, (30,), generator=stream(0, "y"))
    spec = OptimSpec(epochs=3, batch_size=8, learning_rate=0.1)
    start = nets(patches).detach()
    for each in (nets, *alone):
        fit(each, patches, members_cross_entropy(labels), spec, stream(0, "order"))
    assert (nets(patches) - start).abs().amax() > 0.1
    for e, each in enumerate(alone):
        torch.testing.assert_close(nets(patches)[:, e], each(patches)[:, 0])


def test_larger_ensembles_begin_with_the_same_networks():
    few, many = (
        Networks(
            "residual",
            members=members,
            num_patches=2,
            patch_dim=3,
            num_classes=4,
            width=5,
            generator=stream(0, "init"),
        )
        for members in (2, 5)
    )
    for smaller, larger in zip(few.weights, many.weights, strict=True):
        assert torch.equal(smaller, larger[:2])
        assert not torch.equal(larger[0], larger[1])


def test_the_loss_of_members_is_the_sum_of_their_cross_entropies():
    logits = torch.randn(6, 4, 3, generator=stream(0, "logits"))
    labels = torch.randint(0, 3, (10,), generator=stream(0, "labels"))
    rows = torch.tensor([9, 3, 4, 0, 1, 7])
    expected = sum(torch.nn.functional.cross_entropy(logits[:, e], labels[rows]) for e in range(4))
    torch.testing.assert_close(members_cross_entropy(labels)(logits, logits, rows), expected)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("inputs", ["gaussian", "mixture"])
def test_labels_are_balanced_and_know_nothing_of_the_scale_of_a_class(inputs, family, monkeypatch):
    cell = replace(script.LAPTOP, seed=5, inputs=inputs, target=family)
    x = tasks.draw_inputs(cell, 4000, "train")
    assert float(x.mean()) == pytest.approx(0, abs=0.2)  # the means of a mixture are few
    assert float(x.square().mean()) == pytest.approx(1, abs=0.15)
    (labels,) = tasks.draw_targets(cell, x)
    counts = labels.bincount(minlength=10) / 4000
    assert counts.min() > 0.02
    assert counts.max() < 0.3

    make = tasks.new_networks

    def other_scale(*args):
        nets = make(*args)
        nets.weights[-1].data *= torch.linspace(0.5, 3, 10)
        nets.biases[-1].data += torch.linspace(-5, 5, 10)
        return nets

    monkeypatch.setattr(tasks, "new_networks", other_scale)
    (same,) = tasks.draw_targets(cell, x)
    assert (labels == same).double().mean() > 0.999  # up to rounding


def test_labels_follow_the_largest_logit_of_the_target(monkeypatch):
    class Chosen(torch.nn.Module):
        def forward(self, patches):
            return patches[:, 0, :4].unsqueeze(1)

    monkeypatch.setattr(tasks, "new_networks", lambda *args: Chosen())
    x = tasks.draw_inputs(TINY, 500, "train")
    (labels,) = tasks.draw_targets(TINY, x)
    # The pilot's mean and standard deviation are 0 and 1 up to a percent.
    ahead = x[:, 0, :4].topk(2).values
    clear = ahead[:, 0] - ahead[:, 1] > 0.1
    assert torch.equal(labels[clear], x[clear, 0, :4].argmax(1))


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
    noisy, tests = tasks.draw_samples(TINY)
    clean, clean_tests = tasks.draw_samples(replace(TINY, label_noise=0.0))
    assert torch.equal(noisy.patches, clean.patches)
    assert int((noisy.labels != clean.labels).sum()) == 6
    assert torch.equal(tests[""].labels, clean_tests[""].labels)
    other, _ = tasks.draw_samples(replace(TINY, target="residual"))
    assert torch.equal(other.patches, noisy.patches)


@pytest.mark.parametrize("inputs", ["gaussian", "mixture"])
def test_test_samples_are_held_out_and_a_repetition_redraws_all(inputs):
    cell = replace(TINY, inputs=inputs, num_test=60, label_noise=0.0)
    train, tests = tasks.draw_samples(cell)
    assert not torch.equal(tests[""].patches, train.patches)
    again = replace(cell, seed=1)
    assert not torch.equal(tasks.draw_samples(again)[0].patches, train.patches)
    (labels,) = tasks.draw_targets(again, train.patches)
    assert (labels != train.labels).double().mean() > 0.3


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
        ({"draws": 0}, "draws"),
    ],
)
def test_cells_that_make_no_sense_are_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        replace(TINY, **changes)


def test_networks_that_make_no_sense_are_refused():
    sizes = {"num_patches": 2, "patch_dim": 3, "num_classes": 4, "width": 5, "members": 2}
    with pytest.raises(ValueError, match="deep"):
        Networks("deep", **sizes, generator=stream(0))
    with pytest.raises(ValueError, match="width"):
        Networks("linear", **(sizes | {"width": 0}), generator=stream(0))


@pytest.mark.parametrize("preset", ["smoke", "laptop", "paper"])
def test_every_preset_holds_every_task(preset):
    cells = find("gaussian_inputs").cells(preset, NoOptions(), seeds=2)
    assert len(cells) == 2 * 13
    assert len(set(cells)) == len(cells)
    views = [cell for cell in cells if cell.inputs == "multi-view"]
    assert [cell.seed for cell in views] == ([0, 1] if preset == "smoke" else [10, 11])
    assert {cell.label_noise for cell in views} == {0.0}
    assert all(
        {cell.target for cell in cells if (cell.inputs, cell.label_noise) == task} == {*FAMILIES}
        for task in (("gaussian", 0.0), ("gaussian", 0.1), ("mixture", 0.0))
    )


@pytest.mark.parametrize("views", [False, True])
def test_a_row_holds_together(views):
    cell = TINY
    if views:
        cell = replace(script.SIZES["smoke"][1], num_test=100, train=TrainSpec(max_steps=20))
    row = script.run(cell, Context())
    assert row == script.run(cell, Context())
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
