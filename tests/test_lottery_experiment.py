"""The lottery script: its rows hold together, its estimates mean what they say, it is drawn."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from multiview.runs.find import find
from multiview.runs.script import run_script
from multiview.runs.store import load
from theory_experiments import _lottery_estimates as estimates
from theory_experiments import _trace as traces
from theory_experiments import lottery
from theory_experiments._memorisation import GROUPS

SMOKE = lottery.PRESETS["smoke"]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    out = tmp_path_factory.mktemp("lottery")
    args = ["--preset", "smoke", "--engine", "local", "--out", str(out)]
    assert run_script(find("lottery"), args) == 0
    assert (out / "lottery" / "lottery-smoke.png").stat().st_size
    return load(out / "lottery")


@pytest.mark.parametrize("preset", ["smoke", "laptop", "paper"])
def test_each_repetition_has_a_cell_with_empty_and_one_with_noisy_patches(preset):
    first, second, *_ = find("lottery").cells(preset, lottery.EXPERIMENT.options(), seeds=2)
    assert first.seed == second.seed == 0
    assert first.spec.sigma_background == 0
    assert second.spec.sigma_background == second.spec.sigma_p
    assert replace(second, spec=first.spec) == first


def test_the_rows_of_the_smoke_preset_hold_together(table):
    assert len(table) == 4
    assert len(lottery.empty(table)) == len(lottery.noisy(table)) == 2
    for _, row in table.iterrows():
        assert (row["lead"] >= 1).all()
        # A race is predicted exactly where the view ahead won; noise lengthens it.
        assert ((row["race"] >= 1) == row["right"]).all()
        right = row["right"]
        assert (row["noisy_race"][right] > row["race"][right]).all()
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
        singles = row["number_known"] + row["number_lost"]
        assert singles > 0
        assert singles % row["members"] == 0
        assert row["number_multi"] == row["num_multi"] * row["members"]
        assert row["error_multi"] == row["error_known"] == row["error_lost"] == 0
        for group in GROUPS:
            own, fresh = row[f"parts_{group}"].sum(), row[f"fresh_parts_{group}"].sum()
            assert row[f"noise_share_{group}"] == pytest.approx(1 - fresh / own, abs=1e-5)
        assert row["parts_multi"][1] == 0  # they have no weak view
        background = row["parts_multi"][3]
        assert (background > 0) == (row["spec.sigma_background"] > 0)
        assert row["noise_share_lost"] > row["noise_share_multi"]
        assert row["fresh_error_lost"] > row["fresh_error_multi"]


def test_the_trace_goes_through_the_trained_networks_and_on():
    cell = replace(SMOKE, seed=1000, members=2)
    features = lottery.draw_features(cell)
    train = lottery.draw_train(cell, features)
    start = lottery.new_nets(cell, "members", 2)
    lines = []
    net, trace = traces.follow(cell, start, train, features, lambda *line: lines.append(line))
    assert (trace.time.diff(dim=0) >= 0).all()
    assert (trace.loss[-1] < trace.loss[0]).all()
    torch.testing.assert_close(trace.norms[0], lottery.view_norms(start, features))
    passed = (trace.norms == lottery.view_norms(net, features)).all(-1).all(-1)
    assert passed.any(0).all()
    assert not passed[-1].any()  # the tail moves on
    loss = trace.loss.where(passed, 0.0).amax(0)  # of the trained networks
    assert (loss < cell.train.loss_bound).all()
    since = passed.int().cummax(0).values.bool()
    assert (trace.loss[since] < cell.train.loss_bound).all()
    assert [fraction for _, fraction in lines] == sorted(fraction for _, fraction in lines)


def test_tail_is_read_at_the_first_sweep_below_each_loss():
    sweeps = torch.tensor([2.0, 0.04, 0.2, 8e-5, 8e-5])
    loss = torch.stack([sweeps, 2 * sweeps], 1).double()  # the second never reaches 1e-4
    stamp = torch.arange(5.0).unsqueeze(1).expand(5, 2)
    norms = stamp.view(5, 2, 1, 1).expand(5, 2, 3, 2)
    trace = traces.Trace(time=stamp, loss=loss, error=10 + stamp.double(), norms=norms)
    columns = traces.tail(trace, norms[..., 0], 100 + norms[..., 1])
    assert columns["tail_error"][0].tolist() == [11, 11]
    at = estimates.at_loss(0.06)
    assert columns["tail_error"][at].tolist() == [11, 13]
    assert columns["tail_winner"][at].tolist() == [[1, 1, 1], [3, 3, 3]]
    assert columns["tail_loser"][at].tolist() == [[101, 101, 101], [103, 103, 103]]
    assert columns["tail_error"][-1, 0] == 13
    assert columns["tail_error"][-1, 1].isnan()
    assert columns["tail_winner"][-1, 1].isnan().all()


def test_rise_counts_time_in_escapes_of_each_class():
    time = torch.tensor([[0.0], [2.0], [4.0], [8.0]])
    half = SMOKE.relu_knee / 2
    winners = torch.tensor([[0.1, 0.1, 0.1], [half, 0.2, 0.2], [3, half, 0.3], [4, 4, 0.4]])
    losers = torch.full((4, 1, 3), 0.01)
    columns = traces.rise(SMOKE, time, winners.unsqueeze(1), losers)
    begin, one, two = (np.flatnonzero(columns["rise_time"] == t).item() for t in (0, 1, 2))
    rise = 10 ** columns["rise_winner"][0]
    assert rise[0, [begin, one, two]] == pytest.approx([0.1, half, 3])
    assert rise[1, [begin, one, two]] == pytest.approx([0.1, half, 4])
    assert np.isnan(rise[2]).all()  # never escaped
    assert 10 ** columns["rise_loser"][0, 0] == pytest.approx(np.full(len(rise[0]), 0.01))


def test_growth_ends_at_the_knee_and_shown_marks_losers_that_a_sample_has():
    cell = replace(SMOKE, seed=1000)
    features = lottery.draw_features(cell)
    train = lottery.draw_train(cell, features)
    net = lottery.new_nets(cell, "members", 2)
    norms = lottery.view_norms(net, features)
    path = torch.tensor([0.1, 1.0, 3.5, 9.0]).view(4, 1, 1).expand(4, 2, 4).clone()
    path[:, 0, 0] = 1  # never reaches the knee
    losers = torch.tensor([0.1, 0.2, 0.3, 0.9]).view(4, 1, 1).expand(4, 2, 4)
    covered = torch.ones(2, 4, 2, dtype=torch.bool)
    row = lottery.race(cell, net, net, train, features, covered, path, losers)
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
    assert row["growth"][0, 0].isnan()
    assert row["growth"].flatten()[1:].tolist() == pytest.approx([3] * 7)
    torch.testing.assert_close(row["final_loser"], norms.amin(-1))
    torch.testing.assert_close(row["final_winner"], norms.amax(-1))


ROW = {
    "sigma_init": 0.1,
    "lead": np.array([[1.1, 1.3, 2.0, 1.3]]),
    "right": np.array([[False, True, True, False]]),
    "final_loser": np.array([[0.2, 0.4, 0.6, 5.0]]),
    "final_winner": np.array([[4.0, 3.0, 8.0, 6.0]]),
    "start_loser": np.array([[0.1, 0.1, 0.1, 0.0]]),
    "one_view": np.array([[True, True, True, False]]),
    "shown": np.array([[False, True, False, True]]),
    "growth": np.array([[9.0, 3.0, 2.0, 9.0]]),
    "race": np.array([[np.nan, 1.5, 1.25, np.nan]]),
    "stray": np.array([[0.2, 0.2, 0.4, 0.8]]),
    "start_stray": np.array([[0.2, 0.1, 0.2, 0.2]]),
}


def test_estimates_of_a_row_by_hand():
    assert estimates.accuracy()(ROW) == 0.5
    assert estimates.accuracy(1.2)(ROW) == pytest.approx(2 / 3)
    assert estimates.accuracy(1.0, 1.2)(ROW) == 0
    assert math.isnan(estimates.accuracy(3.0)(ROW))
    unseen = {**ROW, "lead": np.where(ROW["lead"] == 2, np.inf, ROW["lead"])}
    assert estimates.accuracy(1.5)(unseen) == 1
    assert estimates.share_small(ROW) == 0.5
    assert estimates.share_small(ROW, shown=True) == 0
    assert estimates.share_small(ROW, shown=False) == 1
    assert estimates.final_loser(ROW) == pytest.approx(4)
    assert estimates.total_growth(ROW) == pytest.approx(4)
    assert estimates.against("race")(ROW) == pytest.approx((2 + 1.6) / 2)
    assert estimates.stray_growth(ROW) == pytest.approx(2)


def test_tail_estimates_by_hand():
    losses = len(traces.TAIL_LOSSES)
    loser = np.ones((losses, 1, 2))
    loser[estimates.at_loss(1e-3) :] = 4.0
    loser[:, 0, 1] = np.arange(losses)  # a class with both views learned does not count
    error = np.linspace(0.4, 0.3, losses)[:, None] + np.array([-0.1, 0.1])
    row = {"tail_loser": loser, "tail_error": error, "one_view": np.array([[True, False]])}
    assert estimates.tail_growth(row) == pytest.approx(2)  # 4-fold in two decades
    assert estimates.tail_error(0.1)(row) == pytest.approx(0.4)
    assert estimates.tail_error(1e-4)(row) == pytest.approx(0.3)


def test_claims_use_one_value_a_seed_from_repetitions_with_empty_patches():
    rows = [
        {**ROW, "seed": seed, "spec.sigma_background": noise, "error_lost": noise + seed}
        for seed in (0, 1)
        for noise in (0.0, 0.5)
    ]
    claims = {claim.name: claim for claim in lottery.claims("laptop", None)}
    table = pd.DataFrame(rows)
    assert list(claims["lost samples, own noise"].estimate(table)) == [0, 1]
    assert list(claims["all leads, here"].estimate(table)) == [0.5, 0.5]
    assert lottery.claims("smoke", None) == []


def test_what_the_lottery_cannot_show_is_refused():
    with pytest.raises(ValueError, match="num_views=3"):
        replace(SMOKE, spec=replace(SMOKE.spec, num_views=3))
    with pytest.raises(ValueError, match="redraws"):
        replace(SMOKE, redraws=0)
    with pytest.raises(ValueError, match="cuda"):
        lottery.only_cpu(None, lottery.Context(device="cuda"))
