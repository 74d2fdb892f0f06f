"""missing_views: samples of lone views, whose views are known, claims, tables and figure."""

from dataclasses import replace

import pytest
import torch
from tidy_tables import changed, repeated, texts, verdicts_of

from figures import missing_views as figure
from multiview.bench import Cell, Classifier, check, run
from multiview.bench.images import MADE_UP, ImageSetting
from multiview.bench.recipe import fast_recipe
from multiview.methods import Ensemble, Labels, Members, Variant
from multiview.probes import coverage_of, coverage_probes
from multiview.runs.experiment import Context
from theory_experiments import missing_views as script
from theory_experiments.missing_views import IMAGES, LAPTOP, PATCHES, REASONS, SMOKE, WAYS
from theory_experiments.views.known_views import PROBES_PER_VIEW, Taught, WhyMissing, known_views
from theory_experiments.views.lone_views import OnLoneViews
from theory_experiments.views.two_halves import shown_alone

TINY = {cell.part: cell.setting for cell in SMOKE}
ABLE = OnLoneViews(of=Labels(), times=2)


def test_samples_of_patches_show_one_view_each(monkeypatch):
    bench = TINY[PATCHES].bench(3, Context())
    met = {}
    monkeypatch.setattr(Labels, "train", lambda self, part: met.setdefault("part", part))
    monkeypatch.setattr(type(bench), "trained", lambda self, method: method.train(self))
    bench.trained(ABLE)
    part = met["part"]
    assert len(part.labels) == 2 * len(bench.labels)
    products = torch.einsum("npd,kld->nkl", part.inputs, bench.features)
    own = products[torch.arange(len(part.labels)), part.labels].sort(-1).values
    weak, strong = own.mean(0)
    assert weak < strong / 4


def test_samples_of_two_images_show_one_half_each():
    bench = TINY[IMAGES].bench(3, Context())
    inputs, labels = ABLE._samples(bench)
    assert labels.equal(bench.labels)
    assert (shown_alone(inputs) >= 0).all()
    assert (inputs != 0).flatten(1).any(1).all()  # none has lost both
    before = shown_alone(bench.inputs)
    assert shown_alone(inputs)[before >= 0].equal(before[before >= 0])


def test_what_a_lone_method_builds_on_is_trained_on_lone_views_too():
    assert list(OnLoneViews(of=Ensemble()).needs()) == []
    bench = TINY[PATCHES].bench(3, Context())
    bench.trained(OnLoneViews(of=Ensemble()))
    assert not bench.is_trained(Members())


def test_views_of_patches_are_those_of_the_probe():
    bench = TINY[PATCHES].bench(3, Context())
    trained = {"member": bench.trained(Members())}
    spec, drawn = bench.setting.spec, bench.stream("probes")
    probes = coverage_probes(spec, bench.features, drawn, PROBES_PER_VIEW)
    own = coverage_of(trained["member"].logits(probes.patches).detach(), probes).covered
    assert known_views(bench, trained, "member")["member"].equal(own)


def test_a_network_that_looks_at_one_half_covers_that_half():
    bench = TINY[IMAGES].bench(3, Context())
    member = bench.trained(Members())

    def right(inputs):
        """Knows samples by their right half, and calls all else class 0."""
        test = bench.samples.test
        same = (inputs[:, None, ..., 32:] == test[None, ..., 32:]).flatten(2).all(-1)
        labels = bench.samples.test_labels[same.double().argmax(1)]
        labels = torch.where((inputs[..., 32:] == 0).flatten(1).all(1), 0, labels)
        return torch.nn.functional.one_hot(labels, 10).double()

    perfect = replace(member, logits=right)
    covered = known_views(bench, {"member": perfect}, "member")["member"]
    assert covered.shape == (10, 2)
    assert covered[:, 1].all()
    assert not covered[:, 0].any()


@pytest.mark.parametrize("cell", SMOKE, ids=lambda cell: cell.part)
def test_a_tiny_run_counts_every_view_once(cell):
    row = run(cell, Context())
    for name in WAYS[cell.part]:
        line = row[name]
        known, missing = line["own"] + line["taken"], sum(line[cause] for cause in REASONS)
        assert known + missing == pytest.approx(1)
        assert line["known"] == pytest.approx(known)
        assert line["shown"] > 0
    assert line["views"] == (8 if cell.part == PATCHES else 20)


def knows(bench, views):
    """A classifier of patches that knows these views of every class and answers by them."""
    features = bench.features[:, list(views)]

    def logits(patches):
        return torch.einsum("npd,kld->nkl", patches, features).clamp(min=0).sum(-1)

    if not views:
        return Classifier(logits=lambda patches: torch.zeros(len(patches), len(bench.features)))
    return Classifier(logits=logits)


@pytest.mark.parametrize(
    ("cause", "teacher", "alone", "able", "temperature"),
    [
        ("not_taken", (0, 1), (0,), (0, 1), 1e3),
        ("not_shown", (0, 1), (0,), (0, 1), 1e-6),
        ("no_room", (0, 1), (0,), (1,), 1e3),
        ("unknown", (0,), (0,), (0, 1), 1e3),
        ("overruled", (0,), (0, 1), (0, 1), 1e3),
    ],
)
def test_each_role_is_that_of_its_classifier(cause, teacher, alone, able, temperature):
    """Networks that answer by known views, on patches without noise or other classes."""
    spec = replace(TINY[PATCHES].spec, sigma_p=0.0, sigma_background=0.0, gamma_other=0.0)
    bench = replace(TINY[PATCHES], spec=spec).bench(3, Context())
    by_role = {"student": (0,), "teacher": teacher, "alone": alone, "able": able}
    trained = {role: knows(bench, views) for role, views in by_role.items()}
    measure = WhyMissing(students=(Taught(*by_role, temperature=temperature),))
    row = measure.of(bench, trained)["student"]
    assert row["known"] == 0.5
    assert row[cause] == 0.5, row
    assert row["teacher_knows"] == len(teacher) / 2


@pytest.mark.parametrize("cell", LAPTOP, ids=lambda cell: cell.part)
def test_each_student_is_held_against_networks_of_its_kind(cell):
    (measure,) = cell.measures
    for name, each in zip(WAYS[cell.part], measure.students, strict=True):
        way = WAYS[cell.part][name]
        student, teacher, alone, able = (
            cell.methods[role] for role in (each.student, each.teacher, each.alone, each.able)
        )
        assert each.student == name
        assert student == way.of(way.student)
        assert teacher == way.student.teacher
        assert alone == way.of(Labels(start=str(way.student.start)))
        assert able == OnLoneViews(of=alone, times=2)
        assert each.temperature == way.student.kd_loss.temperature
    narrow = WAYS[IMAGES]["narrow"]
    assert isinstance(narrow.of(narrow.student), Variant)


def test_samples_without_known_views_are_refused():
    recipe = fast_recipe(epochs=1)
    images = ImageSetting(data=MADE_UP, recipe=recipe, students=recipe)
    with pytest.raises(ValueError, match="OnLoneViews needs samples whose views are known"):
        check([Cell(setting=images, methods={"able": ABLE})], Context())
    with pytest.raises(ValueError, match="WhyMissing needs samples whose views are known"):
        check([Cell(setting=images, measures=(WhyMissing(students=()),))], Context())
    with pytest.raises(ValueError, match="times=0"):
        OnLoneViews(of=Labels(), times=0)


def line(**missing: float) -> dict[str, float]:
    """What is measured of a student that lacks views for these reasons."""
    known = 1 - sum(missing.values())
    fractions = dict.fromkeys(REASONS, 0.0) | missing | {"own": known / 2, "taken": known / 2}
    return fractions | {"known": known, "teacher_knows": 0.9, "shown": 0.1, "views": 40}


def ideal(cell):
    """What is measured if all claims hold."""
    row = {
        name: line(**({way.cause: 0.4} if way.cause else {}))
        for name, way in WAYS[cell.part].items()
    }
    own = {"other": line(overruled=0.25, unknown=0.25)}
    own |= {"knowing": line(not_taken=0.9)}
    return row | {name: each for name, each in own.items() if name in row}


def table_with(part: str = PATCHES, **changes: float):
    rows = {cell: changed(ideal(cell), changes if cell.part == part else {}) for cell in LAPTOP}
    table = script.EXPERIMENT.derive(repeated(rows, n=6))
    counted = {
        name: table[name].mul(40).round() / 40 for name in ("known", "own", "taken", *REASONS)
    }
    return table.assign(**counted)  # ``lead`` differs by repetition


def verdicts(table):
    return verdicts_of(script.claims(LAPTOP), table)


def test_each_claim_turns_with_the_measure_it_is_about():
    assert set(verdicts(table_with()).values()) == {"supported"}
    for part, changes, name in (
        (PATCHES, {"well.known": 0.5}, "taught well"),
        (PATCHES, {"cold.not_taken": 0.5}, "patches: cold"),
        (PATCHES, {"light.no_room": 0.5}, "patches: light"),
        (PATCHES, {"same.overruled": 0.5}, "patches: same"),
        (PATCHES, {"other.overruled": 0.05}, "patches: other"),
        (IMAGES, {"plain.not_taken": 0.5}, "two images: plain"),
        (IMAGES, {"narrow.unknown": 0.5}, "two images: narrow"),
        (IMAGES, {"knowing.taken": 0.3}, "two images: knowing"),
    ):
        found = verdicts(table_with(part, **changes))
        assert {n for n, verdict in found.items() if verdict == "refuted"} == {name}


def test_tables_and_figure_show_every_way():
    table = table_with()
    assert len(table) == 6 * sum(len(ways) for ways in WAYS.values())
    text = texts(script.tables(table), table)
    drawn = figure.draw(table)
    shown = {each.get_text() for axes in drawn.axes for each in axes.texts}
    for ways in WAYS.values():
        for way in ways.values():
            assert way.label in text
            assert way.label in shown
    assert len(drawn.axes) == 2
    assert {name: text for name, (text, _) in figure.MISSING.items()} == REASONS


def test_bars_of_the_figure_end_at_one():
    for axes in figure.draw(table_with()).axes:
        for bars in zip(*axes.containers, strict=True):
            assert bars[-1].get_x() + bars[-1].get_width() == pytest.approx(1)
