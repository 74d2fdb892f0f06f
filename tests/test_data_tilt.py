"""data_tilt.py: rates of growth, the tilt and its slope on draws of known odds, claims, figure."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tidy_tables import table_of

from figures import data_tilt as figure
from multiview import stream
from multiview.data import make_features, sample_patches
from multiview.probes import missed_views
from multiview.runs.claims import judge
from multiview.runs.experiment import Context, NoOptions
from multiview.runs.find import find
from multiview.runs.script import run_script
from theory_experiments import data_tilt
from theory_experiments.settings import many_classes

EXPERIMENT = find("data_tilt")
(CELL,) = EXPERIMENT.presets["laptop"].of(NoOptions())
NETWORKS, K = 20, 20


def test_the_smoke_preset_runs_and_is_drawn(tmp_path):
    assert run_script(EXPERIMENT, ["--preset", "smoke", "--out", str(tmp_path)]) == 0
    assert (tmp_path / "data_tilt" / "data_tilt-smoke.png").stat().st_size


def test_views_that_every_sample_shows_alike_grow_alike_but_for_noise():
    spec = replace(many_classes(20).spec, mu=0.0, sigma_p=0.0, other_strength=0.0)
    features = make_features(spec, stream(0, "features"))
    batch = sample_patches(spec, features, 2000, stream(0, "train"))
    found = data_tilt.growth(batch.patches, batch.labels, features, q=3)
    share = batch.labels.bincount(minlength=20) / 2000
    torch.testing.assert_close(found, (share * (1 - 1 / 20)).unsqueeze(1).expand(20, 2))


def drawn(slope, seed=0, networks=NETWORKS):
    """Views learned by networks, with log-odds ``slope`` times the logarithm of rates' ratio."""
    draws = np.random.default_rng(seed)
    rates = np.exp(0.3 * draws.standard_normal((K, 2)))
    odds = slope * (np.log(rates[:, 0]) - np.log(rates[:, 1]))
    first = draws.random((networks, K)) < 1 / (1 + np.exp(-odds))
    return np.stack([first, ~first], -1), rates


def test_the_tilt_is_the_spread_beyond_chance():
    assert data_tilt.tilt(drawn(0.0, networks=4000)[0]) < 0.01
    views, rates = drawn(3.0, networks=4000)
    odds = 3 * np.log(rates[:, 0] / rates[:, 1])
    p = 1 / (1 + np.exp(-np.concatenate([odds, -odds])))
    assert data_tilt.tilt(views) == pytest.approx(p.std(), abs=0.01)


def test_the_slope_of_known_log_odds_is_found():
    views, rates = drawn(3.0, networks=4000)
    assert data_tilt.measured_slope(views, rates) == pytest.approx(3.0, rel=0.1)


def test_the_predicted_slope_is_that_of_races_of_maxima():
    width, ratio = 10, 1.1
    draws = torch.randn(2, 200_000, width, generator=stream(1, "race")).amax(2).clamp(min=0)
    won = float((ratio * draws[0] > draws[1]).double().mean())
    odds = np.log(won / (1 - won))
    assert data_tilt.predicted_slope(width, 3) * np.log(ratio) == pytest.approx(odds, rel=0.05)
    assert data_tilt.predicted_slope(width, 4) == data_tilt.predicted_slope(width, 3) / 2


def made_up(slope, bagged=None, own=0.0, n=10):
    """The laptop preset's derived table of networks with log-odds of these slopes."""
    results = []
    for seed in range(n):
        shared, rates = drawn(slope, seed)
        covered = {
            "member": shared,
            "bagged": drawn(slope if bagged is None else bagged, seed)[0],
            "own": drawn(own, 100 + seed)[0],
        }
        row = {"data": {"growth": rates}}
        for name, views in covered.items():
            row[name] = {"covered": views, "coverage": float(views.mean())}
            for size in (1, 2, 4, 8, 10, 16, 20):
                missed = missed_views(torch.as_tensor(views), size)
                row[f"{data_tilt.KINDS[name][0]}_{size}"] = {"size": size, "missed": missed}
        results.append((replace(CELL, seed=seed), row))
    return EXPERIMENT.derived(table_of(*results))


def verdicts(table):
    claims = EXPERIMENT.claims_about("laptop", NoOptions())
    return {claim.name: judge(claim, table).verdict for claim in claims}


def test_claims_hold_where_the_data_tilt_and_samples_of_their_own_do_not():
    predicted = data_tilt.predicted_slope(CELL.setting.width, CELL.setting.q)
    assert set(verdicts(made_up(predicted)).values()) == {"supported"}


def test_claims_fall_where_the_odds_are_even_and_where_own_samples_are_tilted_too():
    even = verdicts(made_up(0.0))
    assert even["tilted"] == even["what tilts"] == "refuted"
    assert verdicts(made_up(3.0, own=6.0))["own samples"] == "refuted"
    assert verdicts(made_up(6.0, bagged=0.0))["bagging"] == "refuted"


def test_networks_on_samples_of_their_own_differ_in_samples_and_start():
    bench = data_tilt.SMOKE.setting.bench(0, Context())
    zero, one = (bench.trained(data_tilt.OnOwnSamples(draw=i)) for i in (0, 1))
    assert not torch.equal(zero.net.net.weight, one.net.net.weight)
    assert zero.notes["loss"] != one.notes["loss"]


def test_the_figure_draws_views_missed_by_the_number_of_networks():
    table = made_up(3.0, n=3)
    _, right = figure.draw(table).axes
    line = right.get_lines()[0]
    found = table.loc[table["method"] == "ensemble_2", "missed"].mean()
    assert line.get_ydata()[1] == pytest.approx(found)
