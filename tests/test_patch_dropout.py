"""Dropout on synthetic patches: what is trained, what is measured of it, and the claims."""

from dataclasses import replace

import pandas as pd
import pytest
import torch
from rich.console import Console

from multiview import stream
from multiview.distill.dropout import monte_carlo
from multiview.ensemble import mean_logits
from multiview.probes import coverage_of, coverage_probes
from multiview.runs.claims import judge
from multiview.runs.experiment import Context
from theory_experiments import _patch_dropout as script
from theory_experiments import _patch_dropout_nets as nets_of
from theory_experiments._estimates import claims_from
from theory_experiments._patch_nets import draw_features, draw_train, new_nets

SMOKE = script.SMOKE
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
def rows() -> pd.DataFrame:
    cells = [replace(CELL, seed=seed) for seed in (0, 1)]
    found = [vars(cell) | script.run_patch_dropout(cell, Context()) for cell in cells]
    return pd.DataFrame(found).assign(status="ok")


def test_networks_have_the_dropout_and_width_they_are_named_by(trained):
    _, _, plain, nets, _ = trained
    drops = {name: (net.neuron.p, net.patch.p) for name, net in nets.items()}
    assert drops == {
        "neuron 0.25": (0.25, 0.0),
        "patch 0.5": (0.0, 0.5),
        "wide 2": (0.25, 0.0),
        "wide_plain 2": (0.0, 0.0),
    }
    shapes = {name: tuple(net.nets.weight.shape[:3]) for name, net in nets.items()}
    assert shapes == {
        "neuron 0.25": (2, 4, 4),
        "patch 0.5": (2, 4, 4),
        "wide 2": (2, 4, 2),
        "wide_plain 2": (2, 4, 2),
    }
    assert (plain.neuron.p, plain.patch.p, len(plain.nets.weight)) == (0, 0, CELL.members)
    start = new_nets(CELL, "members", CELL.members).weight
    assert (plain.nets.weight - start).abs().amax((1, 2, 3)).min() > 0.1  # every one is trained
    assert not torch.equal(plain.nets.weight, nets["neuron 0.25"].nets.weight)


def test_teachers_and_students_are_those_of_their_names(trained):
    _, train, plain, nets, alone = trained
    patches = train.patches[:20]
    with torch.no_grad():
        for name, net, of in (
            ("standard", nets["neuron 0.25"], 0),
            ("one_teacher", plain, 0),
            ("all_teacher", nets["patch 0.5"], 0),
            ("coarse", nets["patch 0.5"], 0),
        ):
            torch.testing.assert_close(alone[name](patches), net.plain()(patches)[:, of])
        first = alone["masks"](patches)
        assert not torch.allclose(first, alone["standard"](patches).log_softmax(-1), atol=1e-4)
        students = {name: net(patches) for name, net in alone.items()}
        rough = students["coarse_masks"]
        assert not torch.allclose(rough, students["coarse"].log_softmax(-1), atol=1e-4)
        patch_masks = monte_carlo(nets_of.Alone(nets["patch 0.5"].member(0)), 3000)(patches)
        assert (rough.softmax(-1) - patch_masks.softmax(-1)).abs().mean() < 0.05
    teacher = nets_of.Alone(nets["neuron 0.25"].member(0))
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
    torch.testing.assert_close(copy, nets["neuron 0.25"].plain()(train.patches[:5])[:, 0])
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
    row = rows.iloc[0]
    probes = coverage_probes(CELL.spec, features, stream(0, "probes"), CELL.probes_per_view)

    def margin(logits: torch.Tensor) -> list[float]:
        return coverage_of(logits, probes).margin.mean((-2, -1)).tolist()

    with torch.no_grad():
        members = plain(probes.patches)
        two = {name: sum(margin(net(probes.patches))) / 2 for name, net in nets.items()}
        one = {
            name: margin(net(probes.patches)) for name, net in alone.items() if "masks" not in name
        }
    without = sum(margin(members)) / 2
    ensemble = [without, margin(mean_logits(members))]
    assert row["ensemble_margin"] == pytest.approx(ensemble, rel=1e-4)
    assert row["neuron_margin"] == pytest.approx([without, two["neuron 0.25"]], rel=1e-4)
    assert row["patch_margin"] == pytest.approx([without, two["patch 0.5"]], rel=1e-4)
    assert row["wide_margin"] == pytest.approx([two["wide 2"], two["neuron 0.25"]], rel=1e-4)
    assert row["wide_plain_margin"] == pytest.approx([two["wide_plain 2"], without], rel=1e-4)
    for name, value in one.items():
        assert row[f"{name}_margin"] == pytest.approx(value, rel=1e-4)
    own = row["ensemble_coverage"][0]
    assert row["predicted_ensemble"] == pytest.approx([own, 1 - (1 - own) ** 2])
    teacher = row["standard_coverage"]
    assert row["predicted_fresh"] == pytest.approx(1 - (1 - teacher) * (1 - own))


def test_repetitions_differ(rows):
    assert rows["standard_margin"].nunique() == rows["fresh_margin"].nunique() == 2


def as_predicted(seeds: int = 5) -> pd.DataFrame:
    """Rows of the laptop preset as the theory has them."""
    rows = []
    for seed in range(seeds):
        row = {"seed": seed, "status": "ok", "part": "synthetic"}
        row |= {"ensemble_coverage": [0.5, 0.75, 0.875, 0.94]}
        row |= {"predicted_ensemble": row["ensemble_coverage"]}
        row |= {"neuron_coverage": [0.5, 0.6, 0.7, 0.9], "patch_coverage": [0.5, 0.9, 1.0]}
        row |= {"wide_coverage": [0.9, 0.7, 0.6], "wide_plain_coverage": [0.5, 0.5, 0.5]}
        row |= {"standard_coverage": 0.7, "masks_coverage": 0.7, "copied_coverage": 0.7}
        row |= {"fresh_coverage": 0.85, "predicted_fresh": 0.85}
        row |= {"coarse_coverage": 0.9, "coarse_masks_coverage": 0.9}
        row |= {"one_clean_coverage": 0.6, "one_hidden_coverage": 0.6}
        rows.append(row | {"all_clean_coverage": 0.6, "all_hidden_coverage": 0.95})
    other = dict.fromkeys(rows[0]) | {"seed": 0, "status": "ok", "part": "mnist"}
    return pd.DataFrame([*rows, other])  # a row of another part is not looked at


OPPOSITE = {
    "masks": {"masks_coverage": 0.9},
    "masks of patches": {"coarse_masks_coverage": 1.0},
    "4 networks": {"ensemble_coverage": [0.5] * 4},
    "neurons": {"neuron_coverage": [0.5] * 4},
    "width": {"wide_coverage": [0.6, 0.7, 0.9]},
    "patches": {"patch_coverage": [0.5] * 3},
    "copied": {"copied_coverage": 0.85},
    "fresh": {"fresh_coverage": 0.7},
    "hidden, all known": {"all_hidden_coverage": 0.6},
    "hidden, one known": {"one_hidden_coverage": 0.95},
}


def test_each_claim_is_supported_by_what_it_predicts_and_refuted_by_its_opposite():
    claims, table = claims_from(script.patch_dropout_claims()), as_predicted()
    assert {judge(claim, table).verdict for claim in claims} == {"supported"}
    assert {claim.name.removeprefix("synthetic: ") for claim in claims} == set(OPPOSITE)
    for claim in claims:
        opposite = OPPOSITE[claim.name.removeprefix("synthetic: ")]
        changed = table.assign(**{name: [v] * len(table) for name, v in opposite.items()})
        assert judge(claim, changed).verdict == "refuted", claim.name


def test_the_summary_holds_every_classifier(rows):
    console = Console(width=250)
    with console.capture() as capture:
        console.print(script.patch_dropout_summary(rows))
    assert all(name in capture.get() for name in script.WHO.values())


@pytest.mark.parametrize(
    ("field", "value"),
    [("neuron", 0.7), ("width", 7), ("copies", 5), ("copies", 0), ("hidden", 0.0)]
    + [(name, ()) for name in ("neurons", "patches", "widths")]
    + [("neurons", (0.5, 0.25)), ("patches", (0.5, 0.5)), ("widths", (20, 10))],
)
def test_bad_cells_are_refused_by_name(field, value):
    with pytest.raises(ValueError, match=field):
        replace(script.LAPTOP, **{field: value})
