"""coverage_of_methods: what its entries train, its row, its tables, its picture."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.colors import same_color
from matplotlib.patches import Rectangle
from tidy_tables import table_of as tidy_table

from figures import coverage_of_methods as figure
from figures import style
from multiview.bench import Sgd, run
from multiview.measures import PatchErrors, Views
from multiview.runs.experiment import Context
from theory_experiments import coverage_of_methods as script

OPTIM = replace(script.SMOKE.setting.training.labels, epochs=4)
CELL = replace(
    script.SMOKE,
    setting=replace(
        script.SMOKE.setting,
        relu_knee=1.0,
        sigma_init=0.3,
        training=Sgd(labels=OPTIM, students=replace(OPTIM, epochs=6)),
    ),
    measures=(Views(probes_per_view=20), PatchErrors(num_test=50)),
)


@pytest.fixture(scope="module")
def bench():
    found = CELL.setting.bench(0, Context())
    found.plan(list(CELL.methods.values()))
    for method in CELL.methods.values():
        found.trained(method)
    return found


@pytest.fixture(scope="module")
def row():
    return run(CELL, Context())


def logits(bench) -> dict[str, torch.Tensor]:
    patches = bench.inputs[:30]
    methods = CELL.methods.items()
    return {name: bench.outputs(bench.trained(each).logits, patches) for name, each in methods}


def test_no_two_entries_are_the_same_classifier(bench):
    z = logits(bench)
    assert z["member"].shape == z["kernel_member"].shape == (30, 2, bench.num_classes)
    torch.testing.assert_close(z["ensemble"], z["member"].mean(1))
    torch.testing.assert_close(z["first"], z["member"][:, 0])
    torch.testing.assert_close(z["kernel_ensemble"], z["kernel_member"].mean(1))
    alone = {name: each for name, each in z.items() if each.dim() == 2}
    names = list(alone)
    for i, name in enumerate(names):
        for other in names[:i]:
            assert not torch.allclose(alone[name], alone[other].to(alone[name]), atol=1e-5), name


def test_what_a_gate_closed_is_gone(bench):
    for name in ("dense", "pruned"):
        left = bench.trained(CELL.methods[name])
        weight = left.net.net.weight
        used = float((weight != 0).any(-1).double().sum())
        neurons = bench.num_classes * CELL.setting.width
        assert left.notes["share_open"] == pytest.approx(used / neurons)


def test_a_row_says_one_thing_in_several_ways(row):
    spec = CELL.setting.spec
    for name in script.ENTRIES:
        line = row[name]
        c, views = line["coverage"], line["views"]
        assert line["covered"].shape[-2:] == (spec.num_classes, spec.num_views)
        assert sum(views) == pytest.approx(1)
        assert c == pytest.approx(sum(v * s for v, s in enumerate(views)) / spec.num_views)
        assert c == pytest.approx(float(line["covered"].double().mean()))
        assert 0 <= line["single"] <= 1
        assert 0 <= line["multi"] <= 1
        gated = script.ENTRIES[name].group == "neurons behind gates"
        assert ("share_open" in line) == gated
    first = row["member"]["covered"][0].double().mean()
    assert row["first"]["coverage"] == pytest.approx(float(first))


def table(row, seeds=(0, 1)):
    return script.derived(tidy_table(*((replace(CELL, seed=seed), row) for seed in seeds)))


def test_predictions_follow_from_the_coverage_of_others(row):
    found: Any = table(row, seeds=(0,)).set_index("method")["predicted"]
    lost = {name: 1 - each["coverage"] for name, each in row.items()}
    K = CELL.setting.members
    for name, missed in (
        ("ensemble", lost["member"] ** K),
        ("hinton", lost["ensemble"] * lost["labels"]),
        ("self_fresh", lost["member"] * lost["labels"]),
        ("rocket", lost["rocket_booster"] * lost["labels"]),
        ("rocket_kd", lost["rocket_booster"] * lost["member"] * lost["labels"]),
        ("rocket_ensemble", lost["rocket_boosters"] * lost["labels"]),
        ("rocket_boosters", lost["labels"] ** K),
    ):
        assert found[name] == pytest.approx(1 - missed), name
    assert found["kernel_summed"] == row["kernel_ensemble"]["coverage"]
    silent = {name for name, entry in script.ENTRIES.items() if entry.theory is None}
    assert np.all(found[list(silent)].isna())


def test_the_picture_has_a_cell_for_every_view_of_each_method_shown(row):
    entries = {name: script.ENTRIES[name] for name in figure.SHOWN}
    strips, coverage, errors = figure.draw(table(row)).axes
    boxes = [each for each in strips.patches if isinstance(each, Rectangle)]
    spec = CELL.setting.spec
    assert len(boxes) == len(entries) * spec.num_classes * spec.num_views
    filled = sum(not same_color(each.get_facecolor(), style.FAINT) for each in boxes)
    shown = (row[name]["covered"] for name in entries)
    assert filled == sum(int((each if each.dim() == 2 else each[0]).sum()) for each in shown)
    legend = coverage.get_legend()
    assert legend is not None
    assert "n = 2" in legend.get_texts()[-1].get_text()
    labels = [each.get_text() for each in strips.get_yticklabels()]
    assert labels == [entry.label for entry in entries.values()]
    circles = [each.get_xydata() for each in errors.lines if each.get_marker() == "o"]
    points = [float(np.asarray(xy)[0, 0]) for xy in circles if np.size(xy)]
    assert points == [row[name]["single"] for name in entries]
    figure.draw(table(row, seeds=(0,)))  # one repetition has no interval


def test_methods_of_primary_claims_are_in_the_picture():
    claims = [claim for claim in script.claims([CELL]) if claim.primary]
    assert len(claims) == len(script.PRIMARY)
    for method in ("hinton", "labels", "rocket", "kernel_member", "kernel_distilled"):
        assert any(f"'{method}'" in str(claim.estimate) for claim in claims), method
        assert method in figure.SHOWN


def test_every_group_has_a_colour_of_its_own():
    assert set(figure.COLOURS) == {script.ENTRIES[name].group for name in figure.SHOWN}
    assert len(set(figure.COLOURS.values())) == len(figure.COLOURS)


def test_shares_of_views_are_of_those_of_the_other():
    def lines(here: list, there: list) -> dict:
        return {"rocket": {"covered": np.array(here)}, "rocket_booster": {"covered": there}}

    some = lines([[True, False], [True, True]], [[True, True], [False, True]])
    none = lines([[True, False]], [[False, False]])
    rows = tidy_table((replace(CELL, seed=0), some), (replace(CELL, seed=1), none))
    found = script.share_of_views("rocket_booster", "rocket").of(rows).by_seed
    assert found[0] == pytest.approx(2 / 3)
    assert np.isnan(found[1])


def test_the_tables_name_every_method(row):
    rows = table(row)
    methods, whose, correlations = (each.grid(rows) for each in script.tables(rows))
    named = [(group, texts[0]) for group, texts in methods.rows]
    assert named == [(each.group, each.label) for each in script.ENTRIES.values()]
    assert [texts[0] for _, texts in whose.rows] == [
        script.ENTRIES[who].label for who in script.TAUGHT
    ]
    assert [texts[0] for _, texts in correlations.rows] == [
        f"over {len(script.NETWORKS)} networks",
        f"over {len(script.ENTRIES)} methods",
    ]
