"""data_tilt.py: rates of growth, the tilt and its slope on draws of known odds, claims, figure."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from tidy_tables import table_of, verdicts_of

from figures import data_tilt as figure
from multiview import stream
from multiview.bench import run
from multiview.bench.flow import patch_net
from multiview.bench.images import ImageSetting
from multiview.data import make_features, sample_patches
from multiview.methods import OnOwnSamples
from multiview.probes import missed_views
from multiview.runs.experiment import Context, NoOptions
from multiview.runs.find import find
from multiview.runs.script import run_script
from theory_experiments import data_tilt
from theory_experiments.settings import BY_SGD, many_classes
from theory_experiments.views import growth_rates

EXPERIMENT = find("data_tilt")
(CELL,) = EXPERIMENT.presets["laptop"].of(NoOptions())
NETWORKS, K = 40, 20


def test_the_smoke_preset_runs_and_is_drawn(tmp_path):
    assert run_script(EXPERIMENT, ["--preset", "smoke", "--out", str(tmp_path)]) == 0
    assert (tmp_path / "data_tilt" / "data_tilt-smoke.png").stat().st_size


def test_what_claims_compare_is_measured():
    cell = replace(data_tilt.SMOKE, seed=0)
    row = run(cell, Context())
    table = EXPERIMENT.derived(table_of((cell, row))).set_index("method")
    for who, (name, _) in data_tilt.KINDS.items():
        for size in (1, 2, 3):
            averaged = table.loc[f"{name}_{size}"]
            assert averaged["lost"] == pytest.approx(1 - row[f"{name}_{size}"]["coverage"])
            assert 0 <= averaged["missed"] <= 1
        # The mean of one network is that network.
        assert row[f"{name}_1"]["coverage"] == pytest.approx(row[who]["coverage"])


def test_views_that_every_sample_shows_alike_grow_alike_but_for_noise():
    spec = replace(many_classes(20).spec, mu=0.0, sigma_p=0.0, other_strength=0.0)
    features = make_features(spec, stream(0, "features"))
    batch = sample_patches(spec, features, 2000, stream(0, "train"))
    found = growth_rates.growth(batch.patches, batch.labels, features, q=3)
    share = batch.labels.bincount(minlength=20) / 2000
    torch.testing.assert_close(found, (share * (1 - 1 / 20)).unsqueeze(1).expand(20, 2))


def drawn(slope, seed=0, networks=NETWORKS):
    """Views learned by networks, with log-odds ``slope`` times the logarithm of rates' ratio."""
    draws = np.random.default_rng(seed)
    rates = np.exp(0.3 * draws.standard_normal((K, 2)))
    odds = slope * (np.log(rates[:, 0]) - np.log(rates[:, 1]))
    first = draws.random((networks, K)) < 1 / (1 + np.exp(-odds))
    return np.stack([first, ~first], -1), rates


def test_the_tilt_is_the_variance_beyond_chance():
    assert abs(data_tilt.tilt(drawn(0.0, networks=4000)[0])) < 1e-4
    views, rates = drawn(3.0, networks=4000)
    odds = 3 * np.log(rates[:, 0] / rates[:, 1])
    p = 1 / (1 + np.exp(-np.concatenate([odds, -odds])))
    assert data_tilt.tilt(views) == pytest.approx(p.var(), rel=0.05)
    few = [data_tilt.tilt(drawn(0.0, seed, networks=5)[0]) for seed in range(400)]
    assert abs(np.mean(few)) < 0.002  # a network by chance adds 0.05


def test_the_slope_of_known_log_odds_is_found():
    views, rates = drawn(3.0, networks=4000)
    assert growth_rates.measured_slope(views, rates) == pytest.approx(3.0, rel=0.1)


def test_the_predicted_slope_is_that_of_races_of_maxima():
    width, ratio = 10, 1.1
    draws = torch.randn(2, 200_000, width, generator=stream(1, "race")).amax(2).clamp(min=0)
    won = float((ratio * draws[0] > draws[1]).double().mean())
    odds = np.log(won / (1 - won))
    assert growth_rates.predicted_slope(width, 3) * np.log(ratio) == pytest.approx(odds, rel=0.05)
    assert growth_rates.predicted_slope(width, 4) == growth_rates.predicted_slope(width, 3) / 2


def made_up(slope, bagged=None, own=0.0, votes=3.0, n=10):
    """The laptop preset's derived table of networks with log-odds of these slopes.

    Args:
        votes: How many times as many views the mean of several networks does not cover as none of
            them covers.
    """
    results = []
    for seed in range(n):
        shared, rates = drawn(slope, seed)
        covered = {
            "member": shared,
            "bagged": drawn(slope if bagged is None else bagged, seed)[0],
            "own": drawn(own, 100 + seed)[0],
        }
        row: dict[str, dict[str, Any]] = {"data": {"growth": rates}}
        for name, views in covered.items():
            row[name] = {"covered": views, "coverage": float(views.mean())}
            for size in (1, 2, 4, 8, 12, 16):
                missed = missed_views(torch.as_tensor(views), size)
                row[f"{data_tilt.KINDS[name][0]}_{size}"] = {
                    "size": size,
                    "missed": missed,
                    "coverage": 1 - (votes + 0.01 * seed) * missed,
                }
        results.append((replace(CELL, seed=seed), row))
    return EXPERIMENT.derived(table_of(*results))


def verdicts(table):
    return verdicts_of(EXPERIMENT.claims_about("laptop", NoOptions()), table)


def test_claims_hold_where_the_data_tilt_a_little_and_votes_cost_more():
    assert set(verdicts(made_up(0.6)).values()) == {"supported"}


@pytest.mark.parametrize(
    ("changes", "refuted"),
    [
        ({"slope": -0.8}, {"what tilts"}),
        ({"slope": 3.0}, {"a small tilt", "what the tilt costs"}),
        ({"own": 2.0}, {"own samples"}),
        ({"bagged": 0.0}, {"bagging"}),
        ({"votes": 1.0}, {"what votes cost"}),
    ],
)
def test_each_claim_falls_with_what_it_is_about(changes, refuted):
    found = verdicts(made_up(**{"slope": 0.6, **changes}))
    assert {name for name, verdict in found.items() if verdict == "refuted"} == refuted


def test_even_odds_support_no_tilt():
    found = verdicts(made_up(0.0))
    assert found["tilted"] != "supported"
    assert found["a small tilt"] == "supported"


def test_what_follows_from_coverage_stands_beside_each_average():
    table = made_up(0.8, n=1).set_index("method")
    for who, (name, _) in data_tilt.KINDS.items():
        line = table.loc[f"{name}_4"]
        assert line["independent"] == pytest.approx((1 - table["coverage"][who]) ** 4)
        assert line["lost"] == pytest.approx(1 - line["coverage"])
    assert table.loc["member", ["independent", "lost"]].isna().all()


def test_networks_on_samples_of_their_own_differ_in_samples_and_start():
    bench = data_tilt.SMOKE.setting.bench(0, Context())
    zero, one = (bench.trained(OnOwnSamples(draw=i)) for i in (0, 1))
    assert not torch.equal(*(patch_net(each.net).weight for each in (zero, one)))
    assert zero.notes["loss"] != one.notes["loss"]


def test_samples_of_its_own_need_a_distribution_to_be_drawn_from():
    with pytest.raises(ValueError, match="use Bootstrap"):
        OnOwnSamples(draw=0).check(ImageSetting())
    OnOwnSamples(draw=0).check(BY_SGD)


def test_the_figure_draws_views_missed_by_each_and_by_the_mean():
    table = made_up(3.0, n=3)
    _, right = figure.draw(table).axes
    drawn = [np.asarray(line.get_ydata(), float) for line in right.get_lines()]
    for measure in ("lost", "missed"):
        found = [table.loc[table["method"] == f"ensemble_{K}", measure].mean() for K in (1, 2, 4)]
        assert any(each[:3] == pytest.approx(found) for each in drawn if len(each) > 2)
