"""Dropout on synthetic patches: what is trained, what follows from a row, and the claims."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tidy_tables import repeated, table_of

from multiview.bench import Sgd, check, run
from multiview.methods import Dropout, Members
from multiview.runs.claims import judge
from multiview.runs.experiment import Context
from multiview.runs.tables import Listing
from theory_experiments.settings import SGD
from theory_experiments.views import dropout_patches as patches

# Long enough that networks of other settings answer otherwise.
OPTIM = replace(SGD, epochs=10, batch_size=50)
CELLS = [
    cell.changed(relu_knee=1.0, sigma_init=0.3, training=Sgd(labels=OPTIM, students=OPTIM))
    for cell in patches.SMOKE
]


@pytest.fixture(scope="module")
def computed():
    return [
        (replace(cell, seed=seed), run(replace(cell, seed=seed), Context()))
        for seed in (0, 1)
        for cell in CELLS
    ]


@pytest.fixture(scope="module")
def table(computed):
    return patches.derived(table_of(*computed))


@pytest.mark.parametrize("cells", [patches.SMOKE, patches.LAPTOP, patches.PAPER])
def test_networks_have_the_dropout_and_width_they_are_named_by(cells):
    check(cells, Context())
    own, *others = cells
    assert len({cell.setting.width for cell in cells}) == len(cells)
    for cell in cells:
        (varied,) = (each for each in cell.measures if isinstance(each, patches.Varied))
        for name, place in varied.values.items():
            p, method = place["probability"], cell.methods[name]
            assert name == f"{place['dropped']}_{p:g}_width_{cell.setting.width}"
            known = (method.kind, method.rate) if isinstance(method, Dropout) else ("nothing", 0.0)
            assert known == (place["dropped"], p)
            assert method.number == own.methods["standard"].of.number
    assert {type(each) for cell in others for each in cell.methods.values()} == {Dropout, Members}


def test_students_are_taught_by_the_networks_of_their_names():
    methods: Any = patches.LAPTOP[0].methods
    rate = {"one": 0.0, "all": 0.5}
    for who in rate:
        clean, hidden = (methods[f"{who}_{inputs}"] for inputs in ("clean", "hidden"))
        assert hidden == replace(clean, hidden=0.5)
        assert clean.teacher == methods[f"{who}_teacher"]
        assert getattr(clean.teacher.of, "rate", 0.0) == rate[who]
        assert clean.kd_loss.temperature == 1.0
    assert methods["fresh"].of == methods["masks"].of == methods["standard"].of
    assert methods["coarse_masks"].of == methods["coarse"].of
    training: Any = patches.LAPTOP[0].setting.training
    assert (training.labels.epochs, training.students.epochs) == (60, 100)


def test_what_follows_from_a_row(computed, table):
    lines = table[table["seed"] == 0].set_index("method")
    row = computed[0][1]
    for name in ("masks", "fresh"):
        same = row[name]["dominant_view"] == row["standard"]["dominant_view"]
        assert lines["same_view"][name] == float(same.double().mean())
    one, other = row["member"]["dominant_view"]
    assert lines["same_view"]["member"] == float((one == other).double().mean())
    assert lines["same_view"].notna().sum() == 3
    own, teacher = (row[name]["coverage"] for name in ("member", "standard"))
    assert lines["predicted"]["fresh"] == pytest.approx(1 - (1 - teacher) * (1 - own))
    margins = {round(float(lines["margin"][name]), 6) for name in patches.ENTRIES}
    assert len(margins) >= len(patches.ENTRIES) - 2  # two names of one network, and of its masks


def test_single_classifiers_are_counted_in_views_and_means_are_not(table):
    units = table[table["seed"] == 0].set_index("method")["coverage_of"]
    assert units[["standard", "masks", "fresh", "one_teacher"]].tolist() == [8] * 4
    means = ["neuron_0.25_width_4", "patch_0.5_width_4", "nothing_0_width_2", "member"]
    assert units[means].isna().all()


def test_the_tables_hold_every_classifier(table):
    first, second = (listing.grid(table) for listing in patches.tables(table))
    assert isinstance(next(iter(patches.tables(table))), Listing)
    labels = [each.label for each in patches.ENTRIES.values()]
    assert [texts[0] for _, texts in first.rows] == labels
    assert len(second.rows) == 5


OWN, NARROW, WIDE = patches.LAPTOP
TRAINED = {
    OWN: {"neuron_0.1": 0.6, "neuron_0.25": 0.7, "neuron_0.5": 0.9, "nothing_0": 0.5},
    NARROW: {"neuron_0.25": 0.9, "nothing_0": 0.5},
    WIDE: {"neuron_0.25": 0.6, "nothing_0": 0.5},
}
SINGLE = {
    **dict.fromkeys(("standard", "masks"), 0.7),
    **dict.fromkeys(("coarse", "coarse_masks"), 0.9),
    **dict.fromkeys(("one_clean", "one_hidden", "all_clean"), 0.6),
    **{"fresh": 0.85, "all_hidden": 0.95, "member": 0.5},
}


def ideal(changes: dict[str, float]):
    """Repetitions of the laptop preset as the theory has them, but for what is changed."""
    rows = {}
    for cell, coverages in TRAINED.items():
        row = {}
        for name, c in coverages.items():
            dropped, p = name.split("_")
            place = {"dropped": dropped, "probability": float(p) + 0}
            row[f"{name}_width_{cell.setting.width}"] = {"coverage": c, **place}
        if cell is OWN:
            row |= {name: {"coverage": c} for name, c in SINGLE.items()}
        own = {name: row[name] | {"coverage": c} for name, c in changes.items() if name in row}
        rows[cell] = row | own
    table = repeated(rows, n=20)
    table["probability"] = table["probability"].round(3)
    views = [np.zeros((2, 10)) if who == "member" else np.zeros(10) for who in table["method"]]
    return patches.derived(table.assign(dominant_view=views, single=0.0))


CLAIMS = list(patches.claims(*patches.LAPTOP))
OPPOSITE = {
    "masks of patches": {"coarse_masks": 1.0},
    "neurons": {"neuron_0.5_width_10": 0.5},
    "width": {"neuron_0.25_width_5": 0.6, "neuron_0.25_width_20": 0.9},
    "fresh": {"fresh": 0.6},
    "hidden, all known": {"all_hidden": 0.5},
    "hidden, one known": {"one_hidden": 0.95},
}


def test_each_claim_is_supported_by_what_it_predicts_and_refuted_by_its_opposite():
    table = ideal({})
    assert {judge(claim, table).verdict for claim in CLAIMS} == {"supported"}
    assert {claim.name.removeprefix("synthetic: ") for claim in CLAIMS} == set(OPPOSITE)
    for claim in CLAIMS:
        other = ideal(OPPOSITE[claim.name.removeprefix("synthetic: ")])
        assert judge(claim, other).verdict == "refuted", claim.name


def test_masks_may_change_one_view_of_twenty_in_a_repetition_and_no_more():
    (claim,) = (claim for claim in CLAIMS if claim.kind == "check")
    assert claim.name == "synthetic: masks of patches"
    assert judge(claim, ideal({"coarse_masks": 0.851})).verdict == "supported"
    assert judge(claim, ideal({"coarse_masks": 0.8})).verdict == "refuted"
