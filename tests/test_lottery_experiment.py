"""The lottery script: its rows hold together, its measures mean what they say, it is drawn."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from multiview.bench import Flow, PatchBench, PatchSetting, check
from multiview.models import PatchNet
from multiview.probes import view_norms
from multiview.runs.estimates import measured, select
from multiview.runs.experiment import Context
from multiview.runs.find import find
from multiview.runs.script import run_script
from multiview.runs.store import load
from theory_experiments import lottery
from theory_experiments.settings import BY_SGD
from theory_experiments.views import growth as traces
from theory_experiments.views import lottery_lines as measures
from theory_experiments.views.lottery_outcomes import GROUPS, Memorised, Outcome

SMOKE = lottery.SMOKE[0]
FOLLOWED: Any = SMOKE.methods["member"]
assert isinstance(SMOKE.setting, PatchSetting)
TWO = replace(SMOKE.setting, members=2)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    out = tmp_path_factory.mktemp("lottery")
    args = ["--preset", "smoke", "--engine", "local", "--out", str(out)]
    assert run_script(find("lottery"), args) == 0
    assert (out / "lottery" / "lottery-smoke.png").stat().st_size
    return lottery.derived(load(out / "lottery"))


@pytest.mark.parametrize("preset", ["smoke", "laptop", "paper"])
def test_each_repetition_has_a_cell_with_empty_and_one_with_noisy_patches(preset):
    first, second, *_ = find("lottery").cells(preset, lottery.EXPERIMENT.options(), seeds=2)
    assert first.seed == second.seed == (0 if preset == "smoke" else 10)
    empty, noisy = (cell.setting.spec for cell in (first, second))
    assert empty.sigma_background == 0
    assert noisy.sigma_background == noisy.sigma_p
    assert replace(second, setting=replace(second.setting, spec=empty)) == first


def test_the_networks_of_the_smoke_preset_hold_together(table):
    members = select(table, method="member")
    assert len(members) == 4
    assert members["background"].value_counts().to_dict() == {"empty": 2, "noise": 2}
    for _, row in members.iterrows():
        assert (row["lead"] >= 1).all()
        # Growth is predicted exactly where the view ahead won; noise adds to it.
        right = row["right"]
        assert ((row["growth_predicted"] >= 1) == right).all()
        assert (row["growth_predicted_noise"][right] > row["growth_predicted"][right]).all()
        assert (row["final_loser"] < row["final_winner"]).all()
        ends = row["rise_winner"][..., -1] - row["rise_loser"][..., -1]
        assert np.nanmedian(ends) > 0.3  # at this size some losers catch up
        # Every trained network is right, so its winners are beyond the start of any loser.
        assert (row["final_winner"] > row["start_loser"].max()).all()
        escape = np.flatnonzero(row["rise_time"] == 1).item()
        at_escape = row["rise_winner"][..., escape]
        assert not np.isnan(at_escape).any()  # every winner does
        half = np.log10(row["relu_knee"] / 2)
        assert (at_escape >= half - 1e-5).all()


def test_the_samples_of_the_smoke_preset_hold_together(table):
    groups = table.loc[table["method"].isin(GROUPS)]
    for _, cell in groups.groupby(["seed", "background"]):
        row = cell.set_index("method")
        number, cells = row["number"], row.loc["multi"]
        singles = number["known"] + number["lost"]
        assert singles > 0
        assert singles % cells["members"] == 0
        assert number["multi"] == 50 * cells["members"]
        assert (row["error"] == 0).all()
        for _, line in row.iterrows():
            own, fresh = line["parts"].sum(), line["fresh_parts"].sum()
            assert line["noise_share"] == pytest.approx(1 - fresh / own, abs=1e-5)
            assert (line["logit"], line["fresh_logit"]) == (own, fresh)
        assert cells["parts"][1] == 0  # they have no weak view
        assert (cells["parts"][3] > 0) == (cells["spec.sigma_background"] > 0)
        assert row.loc["lost", "noise_share"] > cells["noise_share"]
        assert row.loc["lost", "fresh_error"] > cells["fresh_error"]


def test_the_trace_goes_through_the_trained_networks_and_on():
    lines: list[float] = []
    bench = TWO.bench(1000, Context(progress=lambda _, fraction: lines.append(fraction)))
    assert isinstance(bench, PatchBench)
    bench.plan([FOLLOWED])
    net, trace = FOLLOWED.follow(bench)
    assert (trace.time.diff(dim=0) >= 0).all()
    assert (trace.loss[-1] < trace.loss[0]).all()
    start = bench.nets("members", 2)
    torch.testing.assert_close(trace.norms[0], view_norms(start, bench.features))
    passed = (trace.norms == view_norms(net, bench.features)).all(-1).all(-1)
    assert passed.any(0).all()
    assert not passed[-1].any()  # the tail moves on
    loss = trace.loss.where(passed, 0.0).amax(0)  # of the trained networks
    flow = TWO.training
    assert isinstance(flow, Flow)
    assert (loss < flow.labels.loss_bound).all()
    since = passed.int().cummax(0).values.bool()
    assert (trace.loss[since] < flow.labels.loss_bound).all()
    assert lines == sorted(lines)


def test_tail_is_read_at_the_first_sweep_below_each_loss():
    sweeps = torch.tensor([2.0, 0.04, 0.2, 8e-5, 8e-5])
    loss = torch.stack([sweeps, 2 * sweeps], 1).double()  # the second never reaches 1e-4
    stamp = torch.arange(5.0).unsqueeze(1).expand(5, 2)
    norms = stamp.view(5, 2, 1, 1).expand(5, 2, 3, 2)
    trace = traces.Trace(time=stamp, loss=loss, error=10 + stamp.double(), norms=norms)
    columns = traces.tail(trace, norms[..., 0], 100 + norms[..., 1])
    assert columns["tail_error"][0].tolist() == [11, 11]
    at = measures.at_loss(0.06)
    assert columns["tail_error"][at].tolist() == [11, 13]
    assert columns["tail_winner"][at].tolist() == [[1, 1, 1], [3, 3, 3]]
    assert columns["tail_loser"][at].tolist() == [[101, 101, 101], [103, 103, 103]]
    assert columns["tail_error"][-1, 0] == 13
    assert columns["tail_error"][-1, 1].isnan()
    assert columns["tail_winner"][-1, 1].isnan().all()


def test_rise_counts_time_in_escapes_of_each_class():
    time = torch.tensor([[0.0], [2.0], [4.0], [8.0]])
    knee = TWO.relu_knee
    half = knee / 2
    winners = torch.tensor([[0.1, 0.1, 0.1], [half, 0.2, 0.2], [3, half, 0.3], [4, 4, 0.4]])
    losers = torch.full((4, 1, 3), 0.01)
    stamp = time.expand(4, 1).double()
    norms = torch.zeros(4, 1, 3, 2)
    trace = traces.Trace(time=stamp, loss=stamp, error=stamp, norms=norms)
    columns = traces.rise(trace, winners.unsqueeze(1), losers, knee)
    begin, one, two = (np.flatnonzero(columns["rise_time"] == t).item() for t in (0, 1, 2))
    rise = 10 ** columns["rise_winner"][0]
    assert rise[0, [begin, one, two]] == pytest.approx([0.1, half, 3])
    assert rise[1, [begin, one, two]] == pytest.approx([0.1, half, 4])
    assert np.isnan(rise[2]).all()  # never escaped
    assert 10 ** columns["rise_loser"][0, 0] == pytest.approx(np.full(len(rise[0]), 0.01))


def test_shown_marks_losers_that_a_sample_has_and_growth_ends_at_the_knee():
    bench = TWO.bench(1000, Context())
    assert isinstance(bench, PatchBench)
    trained = bench.trained(FOLLOWED)
    net, train = trained.net, bench.batch
    assert isinstance(net, PatchNet)
    row = Outcome(probes_per_view=20).of(bench, {"member": trained})["member"]
    norms = view_norms(net, bench.features)
    for e in range(2):
        for i in range(4):
            loser = int(norms[e, i].argmin())
            expected = any(
                bool(train.is_single[n])
                and int(train.labels[n]) == i
                and int(train.lone_view[n]) == loser
                for n in range(len(train))
            )
            assert bool(row["shown"][e, i]) == expected
    torch.testing.assert_close(row["final_loser"], norms.amin(-1))
    torch.testing.assert_close(row["final_winner"], norms.amax(-1))
    growth = torch.as_tensor(trained.notes["growth"])
    assert (growth > 0.5).all()  # every winner reaches the knee
    assert (row["start_loser"] * growth <= norms.amax(-1)).all()


def test_a_winner_and_its_loser_are_the_two_views_of_a_class():
    norms = torch.tensor([[[[1.0, 2.0], [5.0, 3.0]]], [[[4.0, 0.5], [6.0, 7.0]]]])
    winners, losers = traces.winner_and_loser(norms, torch.tensor([[1, 0]]))
    assert winners.tolist() == [[[2.0, 5.0]], [[0.5, 6.0]]]
    assert losers.tolist() == [[[1.0, 3.0]], [[4.0, 7.0]]]


LINE = {
    "width": 10,
    "sigma_init": 0.1,
    "lead": np.array([[1.1, 1.3, 2.0, 1.3]]),
    "right": np.array([[False, True, True, False]]),
    "final_loser": np.array([[0.2, 0.4, 0.6, 5.0]]),
    "final_winner": np.array([[4.0, 3.0, 8.0, 6.0]]),
    "start_loser": np.array([[0.1, 0.1, 0.1, 0.0]]),
    "one_view": np.array([[True, True, True, False]]),
    "shown": np.array([[False, True, False, True]]),
    "growth": np.array([[9.0, 3.0, 2.0, 9.0]]),
    "growth_predicted": np.array([[np.nan, 1.5, 1.25, np.nan]]),
    "growth_predicted_noise": np.array([[np.nan, 3.0, 2.5, np.nan]]),
    "stray": np.array([[0.2, 0.2, 0.4, 0.8]]),
    "start_stray": np.array([[0.2, 0.1, 0.2, 0.2]]),
    "tail_error": np.full((len(traces.TAIL_LOSSES), 1), 0.5),
    "tail_loser": np.ones((len(traces.TAIL_LOSSES), 1, 4)),
}
TIDY = {"seed": 0, "status": "ok", "method": "member", "spec.sigma_background": 0.0}


def by_lead(**changes) -> dict[str, float]:
    """Accuracy of the prediction by its leads."""
    ahead = select(measures.derived(pd.DataFrame([{**TIDY, **LINE, **changes}])), method="ahead")
    return dict(zip(ahead["leads"], ahead["accuracy"], strict=True))


def test_measures_of_a_line_by_hand():
    accuracy = by_lead()
    assert accuracy["all"] == 0.5
    assert accuracy["1.2 and more"] == pytest.approx(2 / 3)
    assert accuracy["set M"] == pytest.approx(2 / 3)  # from 1.19 on
    assert accuracy["1.1 to 1.2"] == 0
    assert math.isnan(accuracy["1 to 1.05"])
    unseen = np.where(LINE["lead"] == 2, np.inf, LINE["lead"])
    assert by_lead(lead=unseen)["1.5 and more"] == 1
    assert measures.loser_small(LINE) == 0.5
    assert measures.loser_small(LINE, shown=True) == 0
    assert measures.loser_small(LINE, shown=False) == 1
    assert measures.loser_size(LINE) == pytest.approx(4)
    assert measures.loser_growth(LINE) == pytest.approx(4)
    assert measures.over_predicted("growth_predicted")(LINE) == pytest.approx((2 + 1.6) / 2)
    assert measures.MEMBER["stray_growth"](LINE) == pytest.approx(2)
    assert measures.MEMBER["clear_leads"](LINE) == 0.75


def test_tail_measures_by_hand():
    losses = len(traces.TAIL_LOSSES)
    loser = np.ones((losses, 1, 2))
    loser[measures.at_loss(1e-3) :] = 4.0
    loser[:, 0, 1] = np.arange(losses)  # a class with both views learned does not count
    error = np.linspace(0.4, 0.3, losses)[:, None] + np.array([-0.1, 0.1])
    line = {"tail_loser": loser, "tail_error": error, "one_view": np.array([[True, False]])}
    assert measures.tail_growth(line) == pytest.approx(2)  # 4-fold in two decades
    assert measures.error_at(0.1)(line) == pytest.approx(0.4)
    assert measures.error_at(1e-4)(line) == pytest.approx(0.3)


def test_the_fitted_chance_is_that_by_which_winners_were_drawn():
    generator = np.random.default_rng(0)
    lead = np.exp(np.abs(generator.normal(scale=0.3, size=(100, 100))))
    right = generator.random(lead.shape) < 1 / (1 + lead**-8.0)
    line = {"lead": lead, "right": right}
    assert measures.slope(line) == pytest.approx(8, rel=0.05)
    reached = measures.lead_at_99(line)
    assert 1 / (1 + reached ** -measures.slope(line)) == pytest.approx(0.99)


def test_a_fit_that_nothing_bounds_is_missing():
    lead = np.array([1.1, 1.5, np.inf])
    for right in ([True, True, False], [False, False, True]):
        line = {"lead": lead, "right": np.array(right)}
        assert math.isnan(measures.slope(line))
        assert math.isnan(measures.lead_at_99(line))


def test_claims_use_one_value_a_seed_from_repetitions_with_empty_patches():
    rows = []
    for seed in (0, 1):
        for noise in (0.0, 0.5):
            known = {**TIDY, "seed": seed, "spec.sigma_background": noise}
            parts = {"parts": np.ones(4), "fresh_parts": np.ones(4), "noise_share": 0.0}
            rows += [
                {**known, **LINE},
                {**known, **parts, "method": "multi"},
                {**known, **parts, "method": "lost", "error": noise + seed, "fresh_error": 0.7},
            ]
    lines = measures.derived(pd.DataFrame(rows))
    claims = {claim.name: claim for claim in lottery.claims(lottery.LAPTOP)}
    values = {name: claim.estimate.of(lines).by_seed for name, claim in claims.items()}
    assert values["lost samples, own noise"].to_dict() == {0: 0, 1: 1}
    assert values["all leads, here"].tolist() == [0.5, 0.5]
    assert values["the race with noise"].tolist() == pytest.approx([0.9, 0.9])
    assert all(len(each) == 2 and each.notna().all() for each in values.values())
    assert claims["lost samples, own noise"].kind == "check"
    slope = measured("slope", "member", background="empty").of(lines).by_seed
    assert slope.notna().all()


def test_what_cannot_be_shown_is_refused():
    three = replace(TWO, spec=replace(TWO.spec, num_views=3))
    for setting, words in ((three, "num_views=3"), (BY_SGD, "use a PatchSetting with Flow")):
        with pytest.raises(ValueError, match=words):
            check([replace(SMOKE, setting=setting)], Context())
    with pytest.raises(ValueError, match="redraws=0"):
        Memorised(probes_per_view=1, redraws=0)
    with pytest.raises(ValueError, match="num_test=0"):
        traces.Followed(num_test=0)
