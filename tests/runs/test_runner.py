"""The runner: what is computed, what is skipped, and what becomes of a cell that goes wrong."""

import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from toy_experiment import EXPERIMENT, Options, claims
from toy_runs import cells_in, contents, run_toy

from multiview.runs.estimates import measured
from multiview.runs.experiment import Context, Experiment, NoOptions, Preset
from multiview.runs.registration import registered
from multiview.runs.rows import RESERVED
from multiview.runs.runner import changed_options, command_of, plan
from multiview.runs.store import load, stored_runs


@pytest.fixture
def log(tmp_path, monkeypatch):
    """The cells computed since last asked."""
    path = tmp_path / "log"
    monkeypatch.setenv("TOY_LOG", str(path))

    def computed():
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return sorted(tuple(map(int, line.split())) for line in lines)

    return computed


SMOKE = [(0, 100), (0, 200), (1, 100), (1, 200)]


def test_stored_rows_are_skipped_and_fresh_computes_them_again(tmp_path, log):
    run, outcomes = run_toy(tmp_path)
    assert log() == SMOKE
    assert [outcome.status for outcome in outcomes] == ["ok"] * 4
    first = contents(run.directory)
    assert run_toy(tmp_path)[1] == []
    assert log() == []
    run_toy(tmp_path, fresh=True)
    assert log() == SMOKE
    assert contents(run.directory) == first


def test_more_seeds_only_add_rows(tmp_path, log):
    run_toy(tmp_path)
    log()
    run_toy(tmp_path, seeds=3)
    assert log() == [(2, 100), (2, 200)]
    run_toy(tmp_path, preset="laptop")  # four seeds of the same cells
    assert log() == [(3, 100), (3, 200)]
    run_toy(tmp_path, options=Options(coin="forged"))
    assert log() == SMOKE


def test_every_row_has_the_reserved_columns(tmp_path):
    run, _ = run_toy(tmp_path)
    assert set(run.table().columns) >= RESERVED


def test_a_diverged_cell_is_a_failed_row_and_not_tried_again(tmp_path, log, monkeypatch):
    monkeypatch.setenv("TOY_SEED_0", "diverge")
    run, outcomes = run_toy(tmp_path)
    assert [outcome.status for outcome in outcomes] == ["failed", "failed", "ok", "ok"]
    table = run.table()
    # A failed cell is one line without a method, another one line a method: coin and data.
    assert table["status"].tolist() == ["failed"] * 2 + ["ok"] * 4
    assert table["method"].isna().tolist() == [True] * 2 + [False] * 4
    assert table["method"].tolist()[2:] == ["coin", "data"] * 2
    assert table["failure"].tolist()[0] == "the loss is nan at step 3"
    assert table["error"].isna().tolist() == [True, True, False, True, False, True]
    log()
    monkeypatch.delenv("TOY_SEED_0")
    run_toy(tmp_path)
    assert log() == []
    run_toy(tmp_path, fresh=True)
    assert set(run.table()["status"]) == {"ok"}


def test_a_bug_leaves_no_row_stops_nothing_and_is_tried_again(tmp_path, log, monkeypatch):
    monkeypatch.setenv("TOY_SEED_0", "raise")
    run, outcomes = run_toy(tmp_path)
    assert [outcome.status for outcome in outcomes] == ["error", "error", "ok", "ok"]
    assert "RuntimeError: a bug" in outcomes[0].message
    assert "toy_experiment.py" in outcomes[0].message  # where, not only what
    assert [row["cell"]["seed"] for row in run.rows()] == [1, 1]
    log()
    monkeypatch.delenv("TOY_SEED_0")
    run_toy(tmp_path)
    assert log() == [(0, 100), (0, 200)]


@pytest.mark.parametrize("suffix", [".json", ".npz"])
def test_a_damaged_row_is_named_and_computed_again(tmp_path, log, suffix):
    run, _ = run_toy(tmp_path)
    before = contents(run.directory)
    log()
    path = run.directory / f"{run.keys[2]}{suffix}"
    path.write_bytes(path.read_bytes()[:30])
    with pytest.warns(UserWarning, match=str(path)):
        run_toy(tmp_path)
    assert log() == [(1, 100)]
    assert contents(run.directory) == before
    assert cells_in(load(tmp_path)) == 4


def test_two_programs_may_compute_the_same_rows_at_once(tmp_path):
    command = [sys.executable, Path(__file__).parents[1] / "toy_experiment.py", "--seeds", "20"]
    programs = [
        subprocess.Popen([*command, "--out", tmp_path / "twice", "--fresh"]) for _ in range(2)
    ]
    assert [program.wait() for program in programs] == [0, 0]
    run, _ = run_toy(tmp_path / "once", preset="laptop", seeds=20)
    found = contents(tmp_path / "twice" / "toy_experiment")
    assert found == contents(run.directory)
    assert len(found) == 40
    assert not list((tmp_path / "twice").rglob("*.tmp"))


@dataclass(frozen=True, kw_only=True)
class Bad:
    seed: int = 0
    value: object = 1


def toy(cells, run=lambda cell, context: {}):
    presets = {"smoke": Preset(cells=cells)}
    return Experiment(name="bad", description="Bad.", run=run, presets=presets)


@pytest.mark.parametrize(
    ("cells", "match"),
    [
        ([Bad()] * 2, "twice"),
        ([Bad(seed=1), Bad(seed=2)], "twice"),  # the runner sets the seed
        ([Bad(value=float("nan"))], r"Bad\.value=nan"),
        (lambda options: [Bad(value=Path("a"))], r"Bad\.value"),
        ([], "no cells"),
        (lambda options: [], "no cells"),
    ],
)
def test_bad_presets_are_refused_before_anything_is_written(tmp_path, cells, match):
    with pytest.raises(ValueError, match=match):
        plan(toy(cells), "smoke", NoOptions(), out=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("result", "match"),
    [
        ({"data": {"seed": 1}}, "'seed' exists"),
        ({"data": {"status": 1}}, "'status' exists"),
        ({"data": {"a": {1}}}, "data/a is a set"),
        ({"error": 0.5}, "'error' of the result is a float: return {method: {measure: value}}"),
        (None, "the result is a NoneType: return {method: {measure: value}}"),
        ({1: {"error": 0.5}}, "1 is a name in the result"),
        ({"data": {"a/b": 0.5}}, "the measure 'a/b' holds a slash"),
    ],
)
def test_a_bad_result_is_an_error_of_its_cell(tmp_path, result, match):
    experiment = toy([Bad()], lambda cell, context: result)
    _, (outcome,) = run_toy(tmp_path, experiment=experiment)
    assert outcome.status == "error"
    assert match in outcome.message


def test_a_cell_is_told_where_it_runs_without_its_row_moving(tmp_path):
    seen = []

    def look(cell, context):
        seen.append((context.device, context.data_dir))
        return {}

    experiment = toy([Bad()], look)
    here, _ = run_toy(tmp_path / "a", experiment=experiment)
    there, _ = run_toy(
        tmp_path / "b", experiment=experiment, context=Context(device="meta", data_dir=tmp_path)
    )
    assert seen == [("cpu", None), ("meta", tmp_path)]
    assert here.keys == there.keys
    assert there.table()["device"].tolist() == ["meta"]


def test_rows_of_other_code_are_computed_anew(tmp_path, log, monkeypatch):
    run_toy(tmp_path)
    log()
    monkeypatch.setattr("multiview.runs.experiment.code_version", lambda *given: "edited")
    run_toy(tmp_path)
    assert log() == SMOKE


def test_the_first_seed_moves_all_repetitions(tmp_path, log):
    cells = EXPERIMENT.presets["smoke"].cells
    later = {"smoke": Preset(cells=cells, seeds=2, first_seed=10)}
    run_toy(tmp_path, experiment=replace(EXPERIMENT, presets=later))
    assert log() == [(10, 100), (10, 200), (11, 100), (11, 200)]
    run_toy(tmp_path, experiment=replace(EXPERIMENT, presets=later), seeds=3)
    assert log() == [(12, 100), (12, 200)]


def test_a_cells_scratch_stays_until_its_row_is_stored(tmp_path, monkeypatch):
    """After an error the next attempt finds what was left, unless it is told to begin anew."""
    found = []
    broken = [True]

    def interrupted(cell, context):
        found.append(sorted(path.name for path in context.scratch.glob("*")))
        context.scratch.mkdir(exist_ok=True, parents=True)
        (context.scratch / f"half {cell.flips}").touch()
        if broken[0]:
            raise RuntimeError("stopped")
        return {"coin": {"error": 0.0}}

    experiment = replace(EXPERIMENT, run=interrupted)
    monkeypatch.setattr("multiview.runs.experiment.code_version", lambda *given: "0" * 16)
    settings = {"experiment": experiment, "seeds": 1}
    run, outcomes = run_toy(tmp_path, **settings)
    assert [outcome.status for outcome in outcomes] == ["error"] * 2
    assert found == [[], []]  # each cell has a folder of its own
    run_toy(tmp_path, **settings)
    assert found[2:] == [["half 100"], ["half 200"]]
    run_toy(tmp_path, **settings, fresh=True)
    assert found[4:] == [[], []]
    broken[0] = False
    run_toy(tmp_path, **settings)
    assert found[6:] == [["half 100"], ["half 200"]]
    assert not list(run.directory.glob("*.unfinished"))


def test_a_row_says_of_which_commit_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr("multiview.runs.runner.commit", lambda: "c0ffee")
    run, _ = run_toy(tmp_path)
    assert {row["commit"] for row in run.rows()} == {"c0ffee"}


@pytest.mark.parametrize(
    ("preset", "options", "seeds", "command"),
    [
        ("laptop", Options(), None, "multiview run toy_experiment"),
        ("laptop", Options(), 4, "multiview run toy_experiment"),
        ("smoke", Options(), 3, "multiview run toy_experiment --preset smoke --seeds 3"),
        ("laptop", Options(coin="forged"), None, "multiview run toy_experiment --coin forged"),
    ],
)
def test_a_run_knows_the_command_that_makes_it(preset, options, seeds, command):
    assert command_of(EXPERIMENT, preset, options, seeds) == command
    assert changed_options(EXPERIMENT, Options()) == {}


# Registered claims


def stating(*claims):
    """The toy experiment with these claims instead."""
    return replace(EXPERIMENT, claims=lambda cells: claims)


(FAIR,) = claims([])
OTHER = replace(FAIR, name="other", estimate=measured("error", "coin", flips=100))
EDITED = replace(FAIR, predicted=(0.0, 1.0))


def late(claim):
    """The registration of a claim when rows of its run's cells are stored."""
    return {**registered(claim), "added": True}


def test_claims_stay_as_they_were_when_the_run_was_first_planned(tmp_path, monkeypatch):
    first, _ = run_toy(tmp_path, experiment=stating(FAIR))
    assert first.claims == (registered(FAIR),)
    assert run_toy(tmp_path, experiment=stating(EDITED))[0].claims == first.claims
    assert run_toy(tmp_path, experiment=stating(EDITED), seeds=3)[0].claims == first.claims
    monkeypatch.setattr("multiview.runs.experiment.code_version", lambda *given: "edited")
    assert run_toy(tmp_path, experiment=stating(EDITED), fresh=True)[0].claims == first.claims
    assert run_toy(tmp_path, experiment=stating())[0].claims == first.claims
    (stored,) = stored_runs(tmp_path)
    assert stored.claims == first.claims
    elsewhere, _ = run_toy(tmp_path, "laptop", stating(EDITED))  # another run of the same cells
    assert elsewhere.claims == (late(EDITED),)
    forged, _ = run_toy(tmp_path, "laptop", stating(EDITED), Options(coin="forged"))
    assert forged.claims == (registered(EDITED),)


def test_added_claims_are_registered_behind_the_first_and_marked_once_rows_were_seen(tmp_path):
    run_toy(tmp_path, experiment=stating(FAIR))
    for _ in range(2):  # the mark stays
        run, _ = run_toy(tmp_path, experiment=stating(OTHER, FAIR))
        assert run.claims == (registered(FAIR), late(OTHER))


@pytest.mark.parametrize("code", [None, "edited"])
@pytest.mark.parametrize("text", [None, "", '{"keys": ['])
@pytest.mark.filterwarnings("ignore:damaged run file")
def test_without_its_run_file_rows_still_show_that_claims_come_late(
    tmp_path, monkeypatch, code, text
):
    run, _ = run_toy(tmp_path, experiment=stating(FAIR))
    path = run.directory / f"{run.label}.run.json"
    path.unlink() if text is None else path.write_text(text)
    if code is not None:
        monkeypatch.setattr("multiview.runs.experiment.code_version", lambda *given: code)
    again, _ = plan(stating(FAIR, OTHER), "smoke", Options(), out=tmp_path)
    assert again.claims == (late(FAIR), late(OTHER))


def test_rows_of_older_code_were_seen_too(tmp_path, monkeypatch):
    run_toy(tmp_path, experiment=stating(FAIR))
    monkeypatch.setattr("multiview.runs.experiment.code_version", lambda *given: "edited")
    run, jobs = plan(stating(FAIR, OTHER), "smoke", Options(), out=tmp_path)
    assert len(jobs) == 4
    assert run.claims == (registered(FAIR), late(OTHER))


def test_rows_the_run_asked_for_before_were_seen_though_its_cells_are_others_now(tmp_path):
    run_toy(tmp_path, experiment=stating(FAIR))
    presets = {"smoke": Preset(cells=EXPERIMENT.presets["smoke"].cells, first_seed=50)}
    moved = replace(
        stating(FAIR, OTHER), presets=presets | {"laptop": EXPERIMENT.presets["laptop"]}
    )
    run, _ = plan(moved, "smoke", Options(), out=tmp_path)
    assert run.claims == (registered(FAIR), late(OTHER))
    run, _ = plan(moved, "smoke", Options(coin="forged"), out=tmp_path)
    assert run.claims == (registered(FAIR), registered(OTHER))


@pytest.mark.filterwarnings("ignore:damaged row")
def test_a_damaged_row_was_seen_if_its_run_is_known(tmp_path):
    run, _ = run_toy(tmp_path, experiment=stating(FAIR))
    for key in run.keys:
        (run.directory / f"{key}.json").write_text("{")
    again, _ = plan(stating(FAIR, OTHER), "smoke", Options(), out=tmp_path)
    assert again.claims == (registered(FAIR), late(OTHER))


def test_claims_added_before_any_row_are_not_marked(tmp_path):
    run, _ = plan(stating(FAIR), "smoke", Options(), out=tmp_path)
    run.directory.mkdir(parents=True)
    run.store()
    run, _ = plan(stating(FAIR, OTHER), "smoke", Options(), out=tmp_path)
    assert run.claims == (registered(FAIR), registered(OTHER))


def test_presets_without_claims_register_none(tmp_path):
    cells = EXPERIMENT.presets["smoke"].cells
    unclaimed = replace(EXPERIMENT, presets={"smoke": Preset(cells=cells, claimed=False)})
    assert run_toy(tmp_path, experiment=unclaimed)[0].claims == ()
