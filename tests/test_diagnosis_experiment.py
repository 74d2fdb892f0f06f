"""diagnosis: a row of known predictions, claims that turn with what they are about, the figure."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from tidy_tables import repeated, texts

from figures import diagnosis as figure
from multiview.bench import check, run
from multiview.diagnosis import Interval, Prediction
from multiview.runs.claims import judge
from multiview.runs.experiment import Context
from multiview.runs.publish import published_runs, rows_folder
from theory_experiments import diagnosis as script
from theory_experiments.views.diagnosed import Diagnosed, compared

OPTIONS = script.Options()


@pytest.fixture(scope="module")
def row():
    """The mixture alone, which takes a second."""
    cells = script.EXPERIMENT.cells("smoke", OPTIONS, seeds=1)
    (cell,) = [cell for cell in cells if cell.part == "mixture"]
    return run(cell, Context())


def test_a_row_holds_predictions_beside_what_other_networks_did(row):
    names = {name for name in row if row[name]}
    assert names == {"ensemble_2_from_2", "ensemble_5_from_2"}
    for found in (row[name] for name in names):
        assert found["low"] < found["predicted"] < found["high"]
        assert found["inside"] in (0, 1)
        assert found["miss"] == pytest.approx(abs(found["predicted"] - found["gain"]))
        assert found["miss_none"] == abs(found["gain"])
    assert row["ensemble_5_from_2"]["gain"] > row["ensemble_2_from_2"]["gain"]


def test_networks_that_are_diagnosed_are_others_than_those_measured():
    """Logits of the first five are perfect, of the others hardly better than chance."""

    class Bench:
        seed = 0

        def outputs(self, logits, inputs):
            return logits(inputs)

        def stream(self, *names):
            return torch.Generator().manual_seed(0)

    labels = torch.arange(1000) % 2
    perfect = torch.nn.functional.one_hot(labels, 2).double()
    noise = torch.randn(1000, 7, 2, generator=torch.Generator().manual_seed(0))
    logits = (perfect[:, None] + noise).double()
    logits[:, :5] = perfect[:, None]

    class Known(Diagnosed):
        def samples(self, bench):
            return torch.zeros(1000), labels

    class Trained:
        def logits(self, inputs):
            return logits

    found = Known(known=(2,)).of(Bench(), {"member": Trained()})  # type: ignore[arg-type]
    each = found["ensemble_5_from_2"]
    assert each["gain"] == 0  # of those that never err
    assert each["predicted"] > 0.03
    assert each["miss_known"] > 0.02


def test_several_students_count_by_their_share():
    each = Prediction(
        kind="student",
        size=5,
        average="logits",
        extrapolated=True,
        error=Interval(0.2, 0.1, 0.3),
        gain=Interval(0.1, 0.05, 0.15),
    )
    found = compared(each, [0.2, 0.28], one=0.3)
    assert found["inside"] == 0.5
    assert found["error_inside"] == 1
    assert found["gain"] == pytest.approx(0.06)
    assert found["miss"] == pytest.approx(0.04)


def line(kind: str, size: int, known: int, gain: float, **other):
    """A prediction that is right."""
    found = {
        "kind": kind,
        "size": size,
        "known": known,
        "predicted": gain + 0.002,
        "low": gain - 0.02,
        "high": gain + 0.02,
        "gain": gain,
        "inside": 0.95,
        "error_inside": 0.95,
        "miss": 0.002,
        "miss_none": gain,
        "miss_known": 0.02,
    }
    return found | other


def table(**other):
    """Three repetitions of all settings; ``other`` holds values of a kind of predictions."""
    rows = {}
    for cell in script.EXPERIMENT.cells("laptop", OPTIONS, seeds=1):
        kinds = [("ensemble", 2, 0.04), ("ensemble", 5, 0.06)]
        if "student" in cell.methods:
            kinds += [("student", 5, 0.03), ("self", 1, 0.01)]
        rows[cell] = {
            f"{kind}_{size}_from_{known}" if kind == "ensemble" else f"{kind}_from_{known}": line(
                kind, size, known, **({"gain": gain} | other.get(kind, {}))
            )
            for known in (2, 3)
            for kind, size, gain in kinds
        }
    return repeated(rows)


@pytest.mark.parametrize(
    ("changes", "turned"),
    [
        ({}, set()),
        (
            {"ensemble": {"inside": 0.5}},
            {"gain, ensembles", "gain, unseen setting", "CIFAR-100, averages"},
        ),
        ({"ensemble": {"error_inside": 0.5}}, {"error, ensembles"}),
        ({"student": {"inside": 0.5}}, {"gain, students", "CIFAR-100, taught"}),
        ({"self": {"error_inside": 0.5}}, {"error, students"}),
        ({"ensemble": {"miss": 0.03}}, {"better than at hand"}),
        ({"ensemble": {"miss": 0.07}}, {"better than at hand", "better than none"}),
        ({"ensemble": {"predicted": 0.1}}, {"unbiased"}),
        ({"student": {"gain": 0.07}}, {"student below ensemble"}),
        ({"self": {"gain": 0.05}}, {"self below two"}),
    ],
)
def test_each_claim_turns_with_the_measure_it_is_about(changes, turned):
    found = {
        claim.name: judge(claim, table(**changes)).verdict
        for claim in script.EXPERIMENT.claims_about("laptop", OPTIONS)
    }
    assert {name for name, verdict in found.items() if verdict == "refuted"} == turned
    assert {name for name, verdict in found.items() if verdict == "supported"} == set(
        found
    ) - turned


def test_tables_show_predictions_beside_measured_gains():
    text = texts(script.tables(table()), table())
    for words in ("average of 5", "self-distillation", "made-up images", "6.0 [", "6.2 [", "95"):
        assert words in text


def test_the_figure_shows_every_prediction_and_the_coverage_of_every_setting():
    drawn = figure.draw(table())
    panels: list[Any] = drawn.axes
    left, right, below = panels
    dots = [each for each in left.lines if each.get_marker() in "os"]
    assert sum(len(each.get_xdata()) for each in dots) == 6 * 3 * 2 * 2
    dots = [each for each in right.lines if each.get_marker() in "os"]
    assert sum(len(each.get_xdata()) for each in dots) == 4 * 3 * 2 * 2
    assert len(below.get_xticks()) == 6 + 4 + 4
    shares = [y for each in below.lines if each.get_marker() in "os" for y in each.get_ydata()]
    assert shares == pytest.approx([0.95] * 28, abs=1e-3)


@pytest.mark.parametrize("preset", script.EXPERIMENT.presets)
def test_every_preset_has_cells_that_differ_in_the_seed_alone(preset):
    cells = script.EXPERIMENT.cells(preset, OPTIONS, seeds=2)
    half = len(cells) // 2
    assert [replace(each, seed=each.seed + 1) for each in cells[:half]] == cells[half:]
    assert cells[0].seed == (0 if preset == "smoke" else 10)  # 1000 to 1003 chose the rule


def test_real_images_can_be_left_out_and_are_refused_without_a_directory():
    with pytest.raises(ValueError, match="--data-dir"):
        check(script.EXPERIMENT.cells("laptop", OPTIONS), Context())
    cells = script.EXPERIMENT.cells("laptop", script.Options(real="no"), seeds=1)
    assert [cell.part for cell in cells] == ["patches", "mixture", "made up"]
    check(cells, Context())


def test_too_few_members_are_refused_before_any_is_trained():
    (cell, *_) = script.EXPERIMENT.cells("smoke", OPTIONS, seeds=1)
    with pytest.raises(ValueError, match="members=6: 5 others and 2 that are diagnosed are 7"):
        check([cell.changed(members=6)], Context())


def test_the_cost_is_what_the_published_rows_took():
    (run,) = published_runs(rows_folder(), "diagnosis")
    taken: dict[str, list[float]] = {}
    for each in run.rows():
        taken.setdefault(each["cell"]["part"], []).append(each["seconds"])
    for part, seconds in taken.items():
        assert script.SECONDS[part] == pytest.approx(sum(seconds) / len(seconds), abs=0.5)
    most = max(each["peak_memory"] for each in run.rows())
    assert pytest.approx(most, rel=0.1) == script.MEMORY
    cells = script.EXPERIMENT.cells("laptop", OPTIONS)
    found = script.cost(cells, Context())
    assert found is not None
    assert found.text.startswith("Expected for 30 cells: 120 minutes of one core")
    assert script.cost(script.EXPERIMENT.cells("smoke", OPTIONS), Context()) is None
    assert script.cost(cells, Context(device="cuda")) is None
