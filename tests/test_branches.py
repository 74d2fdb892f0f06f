"""branches: its cells, a tiny run, claims that turn with what they are about, tables, figure."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from tidy_tables import changed, repeated, texts, verdicts_of

from figures import branches as figure
from multiview.bench import check, run
from multiview.methods import Branched
from multiview.runs.experiment import Context
from theory_experiments import branches as script
from theory_experiments.branches import APART, BRANCHES, IMAGES, LAPTOP, ONE_ORDER, PATCHES

SHARES = {IMAGES: {0.0: 0.9, 0.1: 0.5, 0.2: 0.4, 0.4: 0.3, 0.7: 0.1}}


def ideal(cell):
    """What is measured if all expectations hold."""
    row = {}
    for name, method in cell.methods.items():
        at = method.at if isinstance(method, Branched) else None
        share = 1.0 if at is None else SHARES.get(cell.part, {}).get(at, 0.0)
        row[name] = {"one": 0.4, "averaged": 0.4 - 0.2 * share}
        if cell.part == PATCHES:
            row[name]["same"] = np.full(20, at is not None)
        row[name] |= {"way": BRANCHES if at is not None else name.rpartition(" ")[0]}
        row[name] |= {} if at is None else {"at": at}
    return row


IDEAL = {cell.part: ideal(cell) for cell in LAPTOP}


def table_with(changes: Mapping[str, Any] = MappingProxyType({}), part: str = PATCHES):
    rows = {c: changed(IDEAL[c.part], changes if c.part == part else {}) for c in LAPTOP}
    table = repeated(rows, n=5)
    return script.EXPERIMENT.derive(table.assign(at=table["at"].round(2)))  # a setting


def verdicts(table):
    return verdicts_of(script.claims(LAPTOP), table)


def test_claims_hold_on_ideal_rows_but_for_those_that_contradict_each_other():
    found = verdicts(table_with())
    refuted = {name for name, verdict in found.items() if verdict != "supported"}
    assert refuted == {"images: start decides"}
    assert found["images: start decides"] == "refuted"


def test_each_claim_turns_with_what_it_is_about():
    late = {f"{BRANCHES}, 60% {i}.averaged": 0.38 for i in range(2)}
    assert verdicts(table_with(late))["no gain after escape"] == "refuted"
    chosen = np.arange(20) % 2 == 0
    other = {f"{BRANCHES}, 10% {i}.same": chosen for i in range(2)}
    assert verdicts(table_with(other))["same views, t=0.1"] == "refuted"
    order = {f"{ONE_ORDER} {i}.averaged": 0.3 for i in range(2)}
    assert verdicts(table_with(order))["order adds nothing"] == "refuted"
    none = verdicts(table_with({f"{BRANCHES}, 0% 0.averaged": 0.4}, IMAGES))
    assert none["images: start decides"] == "supported"
    assert none["images: order is enough"] == "refuted"
    gone = verdicts(table_with({f"{BRANCHES}, 10% 0.averaged": 0.4}, IMAGES))
    assert gone["images: after a tenth"] == "refuted"


def test_starts_are_pooled_and_classes_of_all_of_them_counted():
    one = {f"{BRANCHES}, 10% 0.same": np.zeros(20, bool)}
    table = table_with(one)
    line = table.loc[table["method"] == f"{BRANCHES}, 10%"].iloc[0]
    assert (line["same"], line["same_of"]) == (0.5, 40)
    assert len(table) == 5 * (2 + 6 + 2 + 5)
    assert table.loc[table["way"] == APART, "share"].eq(1).all()
    nothing = table_with({f"{APART} 0.averaged": 0.5}, IMAGES)
    assert nothing.loc[nothing["part"] == IMAGES, "share"].isna().all()


@pytest.mark.parametrize("cell", script.SMOKE, ids=lambda cell: cell.part)
def test_a_tiny_run_has_every_number(cell):
    row = run(cell, Context())
    assert set(row) == set(cell.methods)
    for line in row.values():
        assert 0 <= line["one"] <= 1
        assert 0 <= line["averaged"] <= 1
        assert (cell.part == PATCHES) == ("same" in line)


def test_images_without_a_directory_are_refused_before_any_work():
    with pytest.raises(ValueError, match="--data-dir"):
        check(LAPTOP, Context())


def test_times_are_whole_epochs():
    for cell in LAPTOP:
        setting = cell.setting
        recipe = setting.recipe.optim if cell.part == IMAGES else setting.training.labels
        for at in script.times_of(cell):
            assert at * recipe.epochs == pytest.approx(round(at * recipe.epochs))


def test_tables_and_figure_show_every_time():
    table = table_with()
    text = texts(script.tables(table), table)
    for words in ("0.3", "0.7", *script.WAYS.values(), "CIFAR-10"):
        assert words in text
    found = figure.draw(table)
    assert len(found.axes) == 2
    assert all(axes.get_legend() is not None for axes in found.axes)
