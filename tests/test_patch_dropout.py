"""Dropout on synthetic patches: what is trained, what is measured of it, and the claims."""

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
import torch
from theory_experiments._patch_dropout_nets import Setting
from tidy_tables import table_of

from multiview import stream
from multiview.distill.dropout import monte_carlo
from multiview.ensemble import mean_logits
from multiview.models import SingleMember
from multiview.probes import coverage_of, coverage_probes
from multiview.runs.claims import judge
from multiview.runs.experiment import Context
from theory_experiments import _patch_dropout as script
from theory_experiments import _patch_dropout_claims as said
from theory_experiments import _patch_dropout_nets as nets_of
from theory_experiments import _patch_dropout_tables as tables
from theory_experiments._patch_nets import draw_features, draw_train, new_nets
from theory_experiments.dropout_distillation import derived

SMOKE = script.SMOKE
NEURONS, PATCHES = Setting("neuron", 0.25, 4), Setting("patch", 0.5, 4)
NARROW, NARROW_PLAIN = Setting("neuron", 0.25, 2), Setting("nothing", 0.0, 2)
# Long enough that networks of other settings answer otherwise.
CELL = replace(
    SMOKE,
    relu_knee=1.0,
    sigma_init=0.3,
    num_masks=30,
    num_test=50,
    optim=replace(SMOKE.optim, epochs=10),
    student=replace(SMOKE.student, epochs=10),
)


def quiet(message: str, fraction: float) -> None:
    """Progress to nobody."""


@pytest.fixture(scope="module")
def trained():
    """The cell's samples, its networks and what they are used as."""
    features = draw_features(CELL)
    train = draw_train(CELL, features)
    plain, nets = nets_of.train_nets(CELL, train, quiet)
    return features, train, plain, nets, nets_of.classifiers(CELL, train, plain, nets, quiet)


@pytest.fixture(scope="module")
def rows() -> list[dict]:
    return [script.run_patch_dropout(replace(CELL, seed=seed), Context()) for seed in (0, 1)]


def test_networks_have_the_dropout_and_width_they_are_named_by(trained):
    _, _, plain, nets, _ = trained
    drops = {name: (net.neuron.p, net.patch.p) for name, net in nets.items()}
    assert drops == {
        NEURONS: (0.25, 0.0),
        PATCHES: (0.0, 0.5),
        NARROW: (0.25, 0.0),
        NARROW_PLAIN: (0.0, 0.0),
    }
    shapes = {name: tuple(net.nets.weight.shape[:3]) for name, net in nets.items()}
    assert shapes == {
        NEURONS: (2, 4, 4),
        PATCHES: (2, 4, 4),
        NARROW: (2, 4, 2),
        NARROW_PLAIN: (2, 4, 2),
    }
    assert (plain.neuron.p, plain.patch.p, len(plain.nets.weight)) == (0, 0, CELL.members)
    start = new_nets(CELL, "members", CELL.members).weight
    assert (plain.nets.weight - start).abs().amax((1, 2, 3)).min() > 0.1  # every one is trained
    assert not torch.equal(plain.nets.weight, nets[NEURONS].nets.weight)


def test_teachers_and_students_are_those_of_their_names(trained):
    _, train, plain, nets, alone = trained
    patches = train.patches[:20]
    with torch.no_grad():
        for name, net, of in (
            ("standard", nets[NEURONS], 0),
            ("one_teacher", plain, 0),
            ("all_teacher", nets[PATCHES], 0),
            ("coarse", nets[PATCHES], 0),
        ):
            torch.testing.assert_close(alone[name](patches), net.plain()(patches)[:, of])
        first = alone["masks"](patches)
        assert not torch.allclose(first, alone["standard"](patches).log_softmax(-1), atol=1e-4)
        students = {name: net(patches) for name, net in alone.items()}
        rough = students["coarse_masks"]
        assert not torch.allclose(rough, students["coarse"].log_softmax(-1), atol=1e-4)
        patch_masks = monte_carlo(SingleMember(nets[PATCHES].member(0)), 3000)(patches)
        assert (rough.softmax(-1) - patch_masks.softmax(-1)).abs().mean() < 0.05
    teacher = SingleMember(nets[NEURONS].member(0))
    many = monte_carlo(teacher, 400, generator=stream(5, "many"))(patches)
    gap = (first.softmax(-1) - many.softmax(-1)).abs().mean()
    far = (alone["one_teacher"](patches).softmax(-1) - many.softmax(-1)).abs().mean()
    assert gap < far
    names = ("copied", "fresh", "one_clean", "one_hidden", "all_clean", "all_hidden", "standard")
    for i, name in enumerate(names):
        for other in names[:i]:
            assert not torch.allclose(students[name], students[other], atol=1e-3)


def test_all_fresh_students_have_one_start_and_the_copy_its_teacher(monkeypatch, trained):
    _, train, plain, nets, _ = trained
    begun, augmented = [], {}

    def record(student, teacher, inputs, **given):
        begun.append((student(train.patches[:5]).detach(), given))
        augmented[id(student)] = given.get("augment") is not None

    monkeypatch.setattr(nets_of, "dropout_distillation", record)
    monkeypatch.setattr(nets_of, "knowledge_distillation", record)
    alone = nets_of.classifiers(CELL, train, plain, nets, quiet)
    start = new_nets(CELL, "student", 1)(train.patches[:5])[:, 0]
    (copy, brief), *fresh = begun
    torch.testing.assert_close(copy, nets[NEURONS].plain()(train.patches[:5])[:, 0])
    assert brief["spec"] == CELL.optim
    assert len(fresh) == 5
    for logits, given in fresh:
        torch.testing.assert_close(logits, start)
        assert given["spec"] == CELL.student
    for teacher in ("one", "all"):
        assert augmented[id(alone[f"{teacher}_hidden"])]
        assert not augmented[id(alone[f"{teacher}_clean"])]
    assert all(given["label_weight"] == 0 for _, given in fresh[1:])


def test_progress_never_goes_back_and_ends_at_the_end(trained):
    _, train, plain, nets, _ = trained
    done: list[float] = []
    nets_of.classifiers(CELL, train, plain, nets, lambda message, fraction: done.append(fraction))
    assert done == sorted(done)
    assert done[0] > 0.6
    assert done[-1] == pytest.approx(1.0, abs=0.02)
    assert len(done) == 6 * CELL.student.epochs


def test_hiding_zeroes_that_fraction_of_the_patches_and_nothing_else():
    patches = torch.ones(200, 10, 3)
    hidden = nets_of.hiding(0.3)(patches, stream(0, "hiding"))
    gone = (hidden == 0).all(-1)
    assert torch.equal(hidden[~gone], patches[~gone])
    assert abs(gone.double().mean() - 0.3) < 5 * (0.21 / 2000) ** 0.5
    assert (patches == 1).all()


def test_a_row_measures_the_networks_it_names(trained, rows):
    features, _, plain, nets, alone = trained
    row = rows[0]
    probes = coverage_probes(CELL.spec, features, stream(0, "probes"), CELL.probes_per_view)

    def margin(logits: torch.Tensor) -> list[float]:
        return coverage_of(logits, probes).margin.mean((-2, -1)).tolist()

    with torch.no_grad():
        members = plain(probes.patches)
        several = {each.name: sum(margin(net(probes.patches))) / 2 for each, net in nets.items()}
        one = {
            name: margin(net(probes.patches)) for name, net in alone.items() if "masks" not in name
        }
    without = Setting("nothing", 0.0, CELL.width).name
    several |= {without: sum(margin(members)) / 2, "ensemble_2": margin(mean_logits(members))}
    several["ensemble_1"] = several[without]
    for name, value in (several | one).items():
        assert row[name]["margin"] == pytest.approx(value, rel=1e-4), name
    own, teacher = row["ensemble_1"]["coverage"], row["standard"]["coverage"]
    assert row["ensemble_1"]["predicted"] == pytest.approx(own)
    assert row["ensemble_2"]["predicted"] == pytest.approx(1 - (1 - own) ** 2)
    assert row["fresh"]["predicted"] == pytest.approx(1 - (1 - teacher) * (1 - own))
    assert [row[f"ensemble_{size}"]["size"] for size in (1, 2)] == [1, 2]
    for setting in (NEURONS, PATCHES, NARROW, NARROW_PLAIN):
        assert setting._asdict().items() <= row[setting.name].items()
    for name in ("masks", "copied", "fresh", "member"):
        assert 0 <= row[name]["same_view"] <= 1


def test_repetitions_differ(rows):
    for name in ("standard", "fresh"):
        assert len({row[name]["margin"] for row in rows}) == 2


def test_single_classifiers_are_counted_in_views_and_means_are_not(rows):
    table = derived(table_of((CELL, rows[0])))
    for measure in ("coverage_of", "single_of"):
        units: Any = table.set_index("method")[measure]
        assert units[["standard", "masks", "fresh", "ensemble_2"]].tolist() == [8] * 4
        means = [NEURONS.name, PATCHES.name, NARROW_PLAIN.name, "ensemble_1"]
        assert units[means].isna().all()


CLAIMS = list(said.patch_dropout_claims(script.LAPTOP))
TRAINED: dict[Any, float] = {
    **{("neuron", p, 10): c for p, c in ((0.1, 0.6), (0.25, 0.7), (0.5, 0.9))},
    **{("patch", p, 10): c for p, c in ((0.2, 0.9), (0.5, 1.0))},
    **{("neuron", 0.25, width): c for width, c in ((5, 0.9), (20, 0.6))},
    **{("nothing", 0.0, width): 0.5 for width in (5, 10, 20)},
}
AS_PREDICTED = {
    **{f"ensemble_{size}": c for size, c in enumerate((0.5, 0.75, 0.875, 0.94), 1)},
    **{Setting(*setting).name: c for setting, c in TRAINED.items()},
    **dict.fromkeys(("standard", "masks", "copied"), 0.7),
    **dict.fromkeys(("coarse", "coarse_masks"), 0.9),
    **dict.fromkeys(("one_clean", "one_hidden", "all_clean"), 0.6),
    "fresh": 0.85,
    "all_hidden": 0.95,
}


def predicted(changes: dict[str, float]) -> pd.DataFrame:
    """Lines of the laptop preset as the theory has them, but for the coverage that is changed."""
    computed = []
    for seed in range(20):
        shift = 0.002 * (seed % 3)
        row = {name: {"coverage": c - shift} for name, c in (AS_PREDICTED | changes).items()}
        for setting in TRAINED:
            row[Setting(*setting).name] |= Setting(*setting)._asdict()
        for name in (f"ensemble_{size}" for size in range(1, 5)):
            row[name] |= {"size": int(name[-1]), "predicted": AS_PREDICTED[name]}
        row["fresh"]["predicted"] = AS_PREDICTED["fresh"]
        # Paired gains of means over networks are no counts of views: without spread they are open.
        for name in ("neuron_0.5_width_10", "nothing_0_width_5"):
            row[name]["coverage"] += 2 * shift
        computed.append((replace(script.LAPTOP, seed=seed), row))
    other = table_of((replace(script.LAPTOP, part="mnist"), {"standard": {"coverage": 0.1}}))
    return derived(pd.concat([table_of(*computed), other], ignore_index=True))


OPPOSITE = {
    "masks": {"masks": 0.9},
    "masks of patches": {"coarse_masks": 1.0},
    "4 networks": {"ensemble_4": 0.5},
    "neurons": {Setting("neuron", 0.5, 10).name: 0.5},
    "width": {Setting("neuron", 0.25, 5).name: 0.6, Setting("neuron", 0.25, 20).name: 0.9},
    "patches": {Setting("patch", 0.5, 10).name: 0.5},
    "copied": {"copied": 0.95},
    "fresh": {"fresh": 0.6},
    "hidden, all known": {"all_hidden": 0.5},
    "hidden, one known": {"one_hidden": 0.95},
}


def test_each_claim_is_supported_by_what_it_predicts_and_refuted_by_its_opposite():
    table = predicted({})
    assert {judge(claim, table).verdict for claim in CLAIMS} == {"supported"}
    assert {claim.name.removeprefix("synthetic: ") for claim in CLAIMS} == set(OPPOSITE)
    for claim in CLAIMS:
        changed = predicted(OPPOSITE[claim.name.removeprefix("synthetic: ")])
        assert judge(claim, changed).verdict == "refuted", claim.name


def test_masks_may_change_one_view_of_twenty_in_a_repetition_and_no_more():
    (check,) = (claim for claim in CLAIMS if claim.name == "synthetic: masks")
    assert check.kind == "check"
    assert judge(check, predicted({"masks": 0.65})).verdict == "supported"
    assert judge(check, predicted({"masks": 0.6})).verdict == "refuted"


def test_the_tables_hold_every_classifier(rows):
    table = derived(table_of(*((replace(CELL, seed=i), row) for i, row in enumerate(rows))))
    first, second = (listing.grid(table) for listing in tables.patch_dropout_tables(table))
    assert [texts[0] for _, texts in first.rows] == list(tables.CLASSIFIERS.values())
    assert len(second.rows) == CELL.members + len(nets_of.settings_of(CELL)) + 1


@pytest.mark.parametrize(
    ("field", "value"),
    [("neuron", 0.7), ("width", 7), ("copies", 5), ("copies", 0), ("hidden", 0.0)]
    + [(name, ()) for name in ("neurons", "patches", "widths")]
    + [("neurons", (0.5, 0.25)), ("patches", (0.5, 0.5)), ("widths", (20, 10))],
)
def test_bad_cells_are_refused_by_name(field, value):
    with pytest.raises(ValueError, match=field):
        replace(script.LAPTOP, **{field: value})
