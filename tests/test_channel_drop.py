"""channel_drop: claims and estimates, what a row holds, tables and the figure, presets."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from drawn_numbers import curves
from tidy_tables import table_of

from figures import channel_drop as figure
from multiview.bench import Cell, run
from multiview.bench.images import ImageSetting
from multiview.runs.claims import judge
from multiview.runs.experiment import Context
from theory_experiments import channel_drop as script
from theory_experiments.views import group_claims as said
from theory_experiments.views.shown_groups import GroupSetting


def cells(preset: str, data: Any = None, seeds: int = 1) -> list[Cell]:
    return script.EXPERIMENT.cells(preset, script.Options(data=data), seeds=seeds)


LAYER, COLOURS, TILES, SYNTHETIC = (replace(cell, seed=0) for cell in cells("laptop"))


@pytest.fixture(scope="module", params=[0, 1, 3])
def part(request):
    cell = cells("smoke")[request.param]
    return cell, run(cell, Context())


def test_every_number_is_there_and_holds_together(part):
    cell, row = part
    table = script.derived(table_of((cell, row)))
    by_method = table.set_index("method")
    synthetic = cell.part == "synthetic"
    error = "single" if synthetic else "error"
    for place in said.places_of(cell):
        assert place["classifier"] in script.CLASSIFIERS
    for kept, fraction in kept_of(cell).items():
        member, ensemble = (by_method.loc[f"{who}_{kept}"] for who in ("member", "ensemble"))
        assert member["fraction"] == fraction
        assert ensemble["gain"] == pytest.approx(member[error] - ensemble[error])
        if synthetic:
            assert ensemble["gain_multi"] == pytest.approx(member["multi"] - ensemble["multi"])
            gain = member["predicted"] - ensemble["predicted"]
            assert ensemble["predicted_gain"] == pytest.approx(gain)
            assert member["predicted"] == pytest.approx(by_method.loc["member_4", "predicted"])
    if not synthetic:
        counts_add_up(cell, row, by_method)
    assert ("base" in row) == (cell.part == "layer")


def counts_add_up(cell, row, by_method):
    groups, number = cell.setting.groups, cell.setting.num_test
    for nets, method in (("disjoint", "alone"), ("same", "same")):
        counts = [row[f"{nets}_right_{count}"] for count in range(groups + 1)]
        samples = np.array([each["samples"] for each in counts])
        assert samples.sum() == number
        right = np.arange(groups + 1) @ samples / number
        assert right == pytest.approx(sum(1 - each for each in row[method]["each"]))
        errors, gains = (
            np.nan_to_num([each[name] for each in counts]) for name in ("member_error", "gain")
        )
        assert errors @ samples / number == pytest.approx(row[f"member_{groups}"]["error"])
        assert gains @ samples / number == pytest.approx(
            by_method.loc[f"ensemble_{groups}", "gain"]
        )


def kept_of(cell: Cell) -> dict[int, float]:
    """The fractions by the number of groups or views kept."""
    setting = cell.setting
    whole = setting.groups if isinstance(setting, GroupSetting) else setting.spec.num_views
    fractions = dict.fromkeys(place["fraction"] for place in said.places_of(cell))
    return {round(fraction * whole): fraction for fraction in fractions}


def test_tables_and_the_figure_hold_every_kind_of_inputs(part):
    cell, row = part
    table: Any = script.derived(table_of((cell, row), (replace(cell, seed=1), row)))
    shown = [listing.grid(table) for listing in script.tables(table)]
    lines = [(row[0], row[1][0]) for grid in shown for row in grid.rows]
    kept = [(said.PARTS[cell.part], f"{fraction:.2g}") for fraction in kept_of(cell).values()]
    assert lines[: len(kept)] == kept
    counts = cell.setting.groups + 1 if isinstance(cell.setting, GroupSetting) else 0
    assert len(lines) <= len(kept) + counts
    by_fraction, synthetic, by_groups = figure.draw(table).axes
    gains = table[table["classifier"] == "ensemble"].groupby("fraction")["gain"].mean()
    (curve,) = curves(synthetic if cell.part == "synthetic" else by_fraction).values()
    assert [y for _, y in curve] == pytest.approx(gains.tolist())
    assert [x for x, _ in curve] == pytest.approx(gains.index.tolist(), abs=0.02)
    if counts:
        disjoint = table[table["nets"] == "disjoint"].groupby("count")["gain"].mean().dropna()
        first: Any = by_groups.containers[0]
        drawn = first[0].get_xydata()
        assert drawn[:, 1] == pytest.approx(disjoint.to_numpy())
        assert drawn[:, 0].round().tolist() == disjoint.index.tolist()


@pytest.mark.parametrize("preset", ["smoke", "laptop", "hours", "paper"])
def test_every_preset_has_all_kinds_of_inputs(preset):
    found = cells(preset, seeds=2)
    first = 0 if preset == "smoke" else 10  # results of the seeds before are known
    assert [cell.part for cell in found] == 2 * list(said.PARTS)
    assert [cell.seed for cell in found] == [first] * 4 + [first + 1] * 4


def counted(nets: str, samples: list[int], gains: list[float]) -> dict[str, dict]:
    """What stands in a row of the images that so many nets get right."""
    return {
        f"{nets}_right_{count}": {"nets": nets, "count": count, "samples": n, "gain": gain}
        for count, (n, gain) in enumerate(zip(samples, gains, strict=True))
    }


def errors(cell, one: list[float], gains: list[float], **more) -> dict[str, dict]:
    """What stands in a row of a member and of the ensemble."""
    lines = {}
    measure = "single" if cell.part == "synthetic" else "error"
    kept = zip(kept_of(cell).items(), one, gains, strict=True)
    for i, ((number, fraction), error, gain) in enumerate(kept):
        member = {"classifier": "member", measure: error}
        ensemble = {"classifier": "ensemble", measure: error - gain, "gain": gain}
        ensemble |= {name: values[i] for name, values in more.items()}
        lines[f"member_{number}"] = {"fraction": fraction, **member}
        lines[f"ensemble_{number}"] = {"fraction": fraction, **ensemble}
    return lines


def values(estimate, table) -> list[float]:
    return estimate.of(table).by_seed.tolist()


def test_estimates_have_the_sign_of_their_names():
    nan = float("nan")
    layer = errors(LAYER, [0.2, 0.25, 0.3], [0.05, 0.04, 0.03])
    layer |= counted("disjoint", [10, 20, 30, 0, 40], [0.5, 0.1, 0.2, nan, 0.01])
    other = TILES, errors(TILES, [0.9] * 3, [0.0] * 3)
    table = table_of((LAYER, layer), other)
    claims = {claim.name: claim for claim in said.layer_claims(LAYER)}
    assert values(claims["layer: ensemble"].estimate, table) == [0.05]
    assert values(claims["layer: dropping hurts"].estimate, table) == pytest.approx([0.1])
    assert values(claims["layer: ensemble makes up"].estimate, table) == pytest.approx([-0.01])
    gap = said.few_minus_many("layer", "disjoint")
    assert values(gap, table) == pytest.approx([(20 * 0.1 + 30 * 0.2) / 50 - 0.01])
    assert values(gap, table_of(other).assign(nets=None)) == []
    none_few = layer | counted("disjoint", [50, 0, 0, 10, 40], [0.5, 0.1, 0.2, nan, 0.01])
    assert np.isnan(values(gap, table_of((LAYER, none_few)))).all()


def test_claims_are_judged_on_complete_rows_and_turn_with_them():
    falls, rises, samples = [0.3, 0.2, 0.01], [0.3, 0.4, 0.5], [1, 5, 5, 5, 5]
    claims = script.EXPERIMENT.claims_about("laptop", script.Options())

    def verdicts(gains: list[float]) -> dict:
        computed = []
        for seed in range(3):
            moved = [gain + 1e-3 * seed * (i + 1) for i, gain in enumerate(gains)]
            for cell in cells("laptop"):
                theory = {"predicted_gain": falls, "gain_multi": [1e-3 + 1e-4 * seed, 0.0, 0.0]}
                row = errors(cell, rises, moved, **theory)
                shift = 1e-3 * seed
                row |= counted("disjoint", samples, [0.0, 0.2 + shift, 0.2, 0.1, 0.1])
                row |= counted("same", samples, [0.0, 0.1, 0.1, 0.1 + shift, 0.1])
                computed.append((replace(cell, seed=seed), row))
        table = table_of(*computed)
        judged = {claim.name: judge(claim, table) for claim in claims}
        for name, each in judged.items():
            assert each.repetitions == 3, name
        return {name: each.verdict for name, each in judged.items()}

    found = verdicts(falls)
    assert len(found) == len(claims) == 3 * 6 + 2 + 5
    # A member's errors are the same in each repetition here, so that their spread is unknown.
    unknown = {f"{part}: dropping hurts" for part in ("layer", "colours", "tiles")}
    assert {name for name, verdict in found.items() if verdict != "supported"} == unknown
    turned = verdicts([-gain for gain in falls[::-1]])
    for name in ("layer: ensemble", "tiles: ensemble of few", "synthetic: gain with all views"):
        assert turned[name] == "refuted"
    assert script.EXPERIMENT.claims_about("smoke", script.Options()) == []


def test_images_without_a_directory_are_refused_before_any_work():
    with pytest.raises(ValueError, match="--data-dir"):
        script.check(cells("laptop"), Context())
    script.check(cells("smoke"), Context())


def test_costs_leave_the_net_below_the_layer_out(monkeypatch):
    made_up = script.SMOKE.images(0, Context())
    monkeypatch.setattr(ImageSetting, "images", lambda *given: made_up)
    (cell, *_) = cells("smoke")
    real = replace(cell, setting=replace(cell.setting, data="cifar10"))
    found = script.cost([real], Context())
    assert found is not None
    text = found.text
    assert text.startswith("Expected for 1 cells")


@pytest.mark.parametrize("data", ["cifar10", "cifar100"])
@pytest.mark.parametrize("preset", ["smoke", "laptop", "hours", "paper"])
def test_every_class_has_equal_shares(preset, data):
    classes = int(data.removeprefix("cifar"))
    for cell in cells(preset, data):
        setting = cell.setting
        if isinstance(setting, GroupSetting):
            more = setting.num_pretrain if setting.inputs == "layer" else 0
            sizes = [setting.num_train, more, setting.num_validation, setting.num_test]
            assert not any(size % classes for size in sizes)
