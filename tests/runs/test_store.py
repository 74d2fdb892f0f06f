"""The store: rows as a table, old rows, damaged rows, exports, runs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from toy_runs import cells_in, stored_toy

from multiview.runs import experiment
from multiview.runs.rows import read_row, write_row
from multiview.runs.store import concatenated, export, load, stored_runs


def test_a_row_carries_its_cell_its_result_and_its_origin(tmp_path):
    stored_toy(tmp_path)
    table = load(tmp_path / "toy_experiment")
    assert len(table) == 8  # four cells, each with the methods coin and data
    assert table["method"].tolist() == ["coin", "data"] * 4
    row, data = table.iloc[0], table.iloc[1]
    shared = ["seed", "flips", "sizes", "coin.heads", "key", "status", "code_version", "seconds"]
    assert row[shared].tolist() == data[shared].tolist()
    assert (row["seed"], row["flips"], row["sizes"], row["coin.heads"]) == (0, 100, (1, 2), 0.5)
    assert (row["preset"], row["status"], row["failure"]) == ("smoke", "ok", "")
    assert (row["experiment"], row["device"]) == ("toy_experiment", "cpu")
    assert row["nested"] == [1, [2.5, None]]
    assert np.isnan(data["nan"])
    assert (
        table.loc[table["method"] == "data", ["error", "flips_made", "nested"]]
        .isna()
        .all(axis=None)
    )
    assert row["flips_made"].dtype == bool
    assert row["flips_made"].mean() == row["error"]
    assert row["seconds"] >= 0
    assert pd.Timestamp(row["finished"]).tzinfo is not None
    assert len(row["code_version"]) == 16
    assert sorted(table["finished"]) == list(table["finished"])


def test_an_experiment_is_loaded_by_name_by_its_directory_and_by_the_store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stored_toy(Path("results"))
    by_name = load("toy_experiment")
    for source in ("results/toy_experiment", Path("results"), tmp_path / "results"):
        pd.testing.assert_frame_equal(load(source), by_name)


def test_rows_of_several_experiments_are_no_table(tmp_path):
    stored_toy(tmp_path)
    files = (tmp_path / "toy_experiment").glob("*.json")
    stored = read_row(next(path for path in files if ".run" not in path.name))
    (tmp_path / "other").mkdir()
    write_row(tmp_path / "other", {**stored, "experiment": "other"}, stored["arrays"])
    with pytest.raises(ValueError, match=r"rows of other, toy_experiment, .*load one experiment"):
        load(tmp_path)
    assert set(load(tmp_path / "other")["experiment"]) == {"other"}


def test_a_store_without_rows_names_the_command_that_makes_some(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"results/toy: .*`multiview run toy`"):
        load("toy")
    (tmp_path / "toy").mkdir()
    with pytest.raises(FileNotFoundError, match=r"multiview run toy"):
        load(tmp_path / "toy")


def test_rows_of_older_code_are_left_out_and_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(experiment, "code_version", lambda *given: "old")
    stored_toy(tmp_path)
    monkeypatch.setattr(experiment, "code_version", lambda *given: "new")
    stored_toy(tmp_path, coin="forged")
    with pytest.warns(UserWarning, match="4 rows .* older code"):
        table = load(tmp_path)
    assert set(table["coin.heads"]) == {0.9}
    assert cells_in(load(tmp_path, versions="all")) == 8


@pytest.mark.parametrize("suffix", [".json", ".npz"])
def test_damaged_rows_are_named_and_left_out(tmp_path, suffix):
    run = stored_toy(tmp_path)
    path = run.directory / f"{run.keys[1]}{suffix}"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.warns(UserWarning, match=f"damaged row.*{path}"):
        assert cells_in(load(tmp_path)) == 3
    with pytest.warns(UserWarning, match=f"damaged row.*{path}"):
        assert cells_in(run.table()) == 3


def test_leftovers_of_a_killed_writer_are_no_rows(tmp_path):
    run = stored_toy(tmp_path)
    (run.directory / f".{run.keys[0]}.json.abc.tmp").write_text("{")
    (run.directory / "0123.npz").write_bytes(b"arrays whose row was never written")
    assert cells_in(load(tmp_path)) == 4


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_the_exported_table_is_the_table(tmp_path, suffix):
    stored_toy(tmp_path)
    table = load(tmp_path)
    export(table, tmp_path / f"table{suffix}")
    read = pd.read_parquet if suffix == ".parquet" else pd.read_csv
    found = read(tmp_path / f"table{suffix}")
    assert list(found.columns) == list(table.columns)
    np.testing.assert_array_equal(found["error"], table["error"])
    assert found["method"].tolist() == table["method"].tolist()
    if suffix == ".parquet":
        assert found["flips_made"][0].tolist() == table["flips_made"][0].tolist()
    with pytest.raises(ValueError, match=r"\.parquet or \.csv"):
        export(table, tmp_path / "table.xlsx")


def test_a_run_is_its_own_rows_in_the_order_of_cells(tmp_path):
    smoke, forged = stored_toy(tmp_path), stored_toy(tmp_path, coin="forged")
    laptop = stored_toy(tmp_path, preset="laptop")
    labels = ["toy_experiment", "toy_experiment-smoke", "toy_experiment-smoke-coin_forged"]
    assert sorted(run.label for run in (smoke, forged, laptop)) == labels
    assert stored_runs(tmp_path) == [laptop, smoke, forged]
    assert stored_runs(tmp_path, "other") == []
    table = laptop.table()  # shares the smoke run's cells
    table = table[table["method"] == "coin"]
    assert table["seed"].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert table["flips"].tolist() == [100, 200] * 4
    assert set(table["preset"]) == {"laptop"}
    assert forged.table()["coin.heads"].tolist() == [0.9] * 8
    assert cells_in(load(tmp_path)) == 12
    both = concatenated([smoke, forged])
    pd.testing.assert_frame_equal(
        both, pd.concat([smoke.table(), forged.table()], ignore_index=True)
    )


@pytest.mark.parametrize(
    "text", [b'{"experiment": "toy', b"{}", b"[]", b'{"keys": [], "claims": 3}']
)
def test_a_damaged_run_file_is_named(tmp_path, text):
    run = stored_toy(tmp_path)
    path = run.save(".run.json", text)
    with pytest.warns(UserWarning, match=str(path)):
        assert stored_runs(tmp_path) == []


def test_a_run_without_rows_has_an_empty_table(tmp_path):
    assert replace(stored_toy(tmp_path), keys=()).table().empty


def test_rows_of_an_older_version_are_named_and_computed_again(tmp_path):
    run = stored_toy(tmp_path)
    old = {"key": run.keys[0], "result": {"error": 0.25}}
    (run.directory / f"{run.keys[0]}.npz").unlink()
    write_row(run.directory, old, {})
    with pytest.warns(UserWarning, match="names no methods"):
        assert cells_in(run.table()) == 3
    with pytest.warns(UserWarning, match="names no methods"):
        again = stored_toy(tmp_path)
    assert cells_in(again.table()) == 4
