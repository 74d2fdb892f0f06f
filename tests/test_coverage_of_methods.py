"""coverage_of_methods: the table of methods, what each is trained on, its row, its picture."""

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.colors import same_color
from matplotlib.patches import Rectangle
from rich.console import Console

from figures import coverage_of_methods as figure
from figures import style
from multiview.models import PatchNet
from multiview.runs.experiment import Context
from multiview.sparsity import sparsify
from theory_experiments import _coverage_of_methods as table_of
from theory_experiments import _coverage_of_methods_bench as bench_of
from theory_experiments import _coverage_of_methods_nets as nets_of
from theory_experiments import coverage_of_methods as script
from theory_experiments._coverage_of_methods import METHODS
from theory_experiments._coverage_of_methods_bench import Bench, MethodsCell
from theory_experiments._patch_nets import new_nets

# Long enough that networks of other settings answer otherwise.
CELL = replace(
    script.SMOKE,
    relu_knee=1.0,
    sigma_init=0.3,
    num_test=50,
    optim=replace(script.SMOKE.optim, epochs=8),
    student=replace(script.SMOKE.student, epochs=10),
)


@pytest.fixture(scope="module")
def trained():
    """A bench, every method's classifier, and each training: its name, start, settings."""
    noted, now = [], [""]
    patch = pytest.MonkeyPatch()
    for module, name in ((bench_of, "fit"), (bench_of, "rocket_launching")):
        patch.setattr(module, name, _noting(getattr(module, name), name, noted, now))
    for name in ("sparsify", "dropout_distillation"):
        patch.setattr(nets_of, name, _noting(getattr(nets_of, name), name, noted, now))
    bench, found = Bench.of(CELL), {}
    for now[0], method in METHODS.items():
        found[now[0]] = method.train(bench)
    patch.undo()
    return bench, found, noted


def _noting(plain, kind, noted, now):
    def call(net, *args, **given):
        start = torch.cat([each.detach().flatten() for each in net.parameters()])
        spec = given.get("spec") or args[2]
        order = (given.get("generator") or args[3]).get_state()
        noted.append((now[0], kind, start, spec, order, args, given))
        return plain(net, *args, **given)

    return call


@pytest.fixture(scope="module")
def row():
    return table_of.run_methods(CELL, Context())


def logits_of(trained) -> dict[str, torch.Tensor]:
    bench, classifiers, _ = trained
    patches = bench.train.patches[:30]
    return {name: classify(patches) for name, classify in classifiers.items()}


def test_methods_are_what_their_names_say(trained):
    bench, _, _ = trained
    z = logits_of(trained)
    k = CELL.spec.num_classes
    assert z["one"].shape == z["kernel_one"].shape == (30, CELL.members, k)
    torch.testing.assert_close(z["one"], bench.members(bench.train.patches[:30]).detach())
    torch.testing.assert_close(z["ensemble"], z["one"].mean(1))
    torch.testing.assert_close(z["kernel_ensemble"], z["kernel_one"].mean(1))
    assert all(torch.isfinite(each).all() for each in z.values())
    # Masks stand outside the activation: their mean is the standard prediction, not their softmax.
    for kind in ("neuron", "patch"):
        assert not torch.allclose(z[f"{kind}_masks"], z[kind].log_softmax(-1), atol=1e-3)
    alone = {name: each for name, each in z.items() if each.dim() == 2}
    names = list(alone)
    for i, name in enumerate(names):
        for other in names[:i]:
            assert not torch.allclose(alone[name], alone[other].to(alone[name]), atol=1e-4)


def test_what_is_compared_has_one_start_one_order_and_as_many_steps(trained):
    _, _, noted = trained
    of = {each[0]: each for each in noted}
    student = new_nets(CELL, "student", 1).weight.detach().flatten()
    members = new_nets(CELL, "members", CELL.members).weight.detach()
    for name in ("labels", "hinton", "squares", "paper", "self_fresh", *script_gates()):
        start = of[name][2]
        assert start[-len(student) :].equal(student) or start[: len(student)].equal(student), name
    light = ("rocket", "rocket_kd", "rocket_late", "rocket_unblocked", "rocket_ensemble")
    assert all(of[name][2].sort().values.equal(student.sort().values) for name in light)
    for kind in ("neuron", "patch"):
        assert of[kind][2].equal(members[0].flatten())
        trained_net = of[f"{kind}_distilled"]
        assert not trained_net[2].equal(members[0].flatten())  # a copy of the trained one
    taught = [each for each in noted if each[0] not in ("one", "summed", "neuron", "patch")]
    assert all(each[3] == CELL.student for each in taught)
    assert all(each[4].equal(taught[0][4]) for each in taught)
    assert all(of[name][3] == CELL.optim for name in ("one", "summed", "neuron", "patch"))
    assert len(noted) == len({(each[0], each[1]) for each in noted})  # nothing is trained twice


def script_gates() -> list[str]:
    return [name for name, method in METHODS.items() if method.group == "gates"]


def test_two_phases_begin_as_the_first_member_and_are_taught_by_the_second(trained, monkeypatch):
    bench, _, noted = trained
    (start,) = [each[2] for each in noted if each[0] == "self_continued"]
    assert start.equal(bench.members.weight[0].detach().flatten())
    said = {}

    def note(labels, teacher, lesson, weight=1.0):
        said["last"] = teacher, lesson.func, weight
        return None

    monkeypatch.setattr(nets_of, "taught_loss", note)
    monkeypatch.setattr(Bench, "taught", lambda self, student, loss=None: student)
    for name, teacher, weight in (
        ("hinton", bench.ensemble, 1.0),
        ("squares", bench.ensemble, 1 / CELL.spec.num_classes),
        ("paper", bench.ensemble, CELL.push),
        ("self_fresh", bench.logits[:, 1], 1.0),
        ("self_continued", bench.logits[:, 1], CELL.push),
    ):
        METHODS[name].train(bench)
        given, function, heavy = said["last"]
        assert given.equal(teacher), name
        assert heavy == weight
        assert (function is nets_of.paper_kd) == (name in ("paper", "self_continued"))


def test_rockets_share_and_block_what_they_say(trained):
    bench, _, noted = trained
    found = {each[0]: each for each in noted if each[1] == "rocket_launching"}
    assert set(found) == {
        "rocket",
        "rocket_kd",
        "rocket_late",
        "rocket_unblocked",
        "rocket_half",
        "rocket_shared",
        "rocket_ensemble",
    }
    blocked = {name: each[6].get("block", True) for name, each in found.items()}
    assert [name for name, value in blocked.items() if not value] == ["rocket_unblocked"]
    booster = new_nets(CELL, "booster", 1).weight.detach()[0]
    light = new_nets(CELL, "student", 1).weight.detach()[0]
    half = CELL.width // 2
    expected = torch.cat([booster[:, :half].flatten(), light[:, half:].flatten()])
    assert found["rocket_half"][2].equal(expected)
    assert found["rocket_shared"][2].equal(booster.flatten())
    assert len(found["rocket_ensemble"][5][0]) == CELL.members
    delays = {name: each[6]["delay"] for name, each in found.items() if "delay" in each[6]}
    assert delays == {"rocket_late": CELL.delay}
    (taught,) = [name for name, each in found.items() if "teacher" in each[6]]
    given = found[taught][6]
    assert (taught, given["temperature"]) == ("rocket_kd", CELL.temperature)
    assert given["teacher_weight"] > 0
    torch.testing.assert_close(given["teacher"](bench.train.patches), bench.logits[:, 1])


def test_boosters_of_the_ensemble_are_measured_as_its_hint_is_made(trained):
    bench, _, _ = trained
    patches = bench.train.patches[:30]
    with torch.no_grad():
        each = [booster(patches) for booster in bench.by_many.boosters]
    assert len(each) == CELL.members
    torch.testing.assert_close(logits_of(trained)["rocket_boosters"], sum(each) / len(each))


def test_gates_have_the_penalty_and_lesson_of_their_names(trained):
    _, _, noted = trained
    found = {each[0]: each[6] for each in noted if each[1] == "sparsify"}
    assert list(found) == script_gates()
    for name, given in found.items():
        strong = name.startswith("pruned")
        expected = CELL.strong_penalty if strong else CELL.light_penalty
        assert given["penalty"].strength == expected
        assert given["penalty"].delay == CELL.penalty_delay
        assert (given["loss"] is not None) == name.endswith("soft")


def test_what_a_gate_closed_is_gone(trained, monkeypatch):
    bench, _, _ = trained
    kept = {}

    def close(net, *args, **given):
        sparsify(net, *args, **given)
        net.net.gates.log_alpha.data[..., 1:] = -5.0
        kept["net"] = net

    monkeypatch.setattr(nets_of, "sparsify", close)
    with monkeypatch.context() as patch:
        patch.setattr(nets_of, "frozen", lambda module: module)
        small = METHODS["pruned"].train(bench)
    assert isinstance(small.classify.net, PatchNet)
    assert small.classify.net.weight.shape[2] == 1
    assert small.left == 1 / CELL.width
    patches = bench.train.patches[:20]
    torch.testing.assert_close(small(patches), kept["net"].eval()(patches))


def test_a_row_says_one_thing_in_several_ways(row):
    k, L = CELL.spec.num_classes, CELL.spec.num_views
    for name in METHODS:
        c, views = row[f"{name}_coverage"], row[f"{name}_views"]
        assert row[f"coverage_{name}"].shape == (k, L)
        assert sum(views) == pytest.approx(1)
        assert c == pytest.approx(sum(v * share for v, share in enumerate(views)) / L)
        if name not in ("one", "kernel_one"):
            assert c == pytest.approx(float(row[f"coverage_{name}"].double().mean()))
        assert row[f"{name}_law"] == table_of.law(CELL, c)
        assert 0 <= row[f"{name}_single"] <= 1
        assert 0 <= row[f"{name}_multi"] <= 1
        assert (f"{name}_predicted" in row) == (METHODS[name].predicted is not None)
    lost = {name: 1 - row[f"{name}_coverage"] for name in METHODS}
    for name, missed in (
        ("ensemble", lost["one"] ** CELL.members),
        ("hinton", lost["ensemble"] * lost["labels"]),
        ("self_fresh", lost["one"] * lost["labels"]),
        ("rocket", lost["rocket_booster"] * lost["labels"]),
        ("rocket_kd", lost["rocket_booster"] * lost["one"] * lost["labels"]),
        ("rocket_ensemble", lost["rocket_boosters"] * lost["labels"]),
        ("rocket_boosters", lost["labels"] ** CELL.members),
    ):
        assert row[f"{name}_predicted"] == pytest.approx(1 - missed), name
    assert row["first_coverage"] == pytest.approx(float(row["coverage_one"].double().mean()))
    assert sorted(key for key in row if key.endswith("_left")) == sorted(
        f"{name}_left" for name in script_gates()
    )
    assert row["kernel_sum_predicted"] == row["kernel_ensemble_coverage"]
    assert row["ensemble_single"] <= row["one_single"]


def test_classes_are_counted_by_their_views():
    one = torch.tensor([[1, 1], [0, 1], [0, 0], [1, 0]], dtype=torch.bool)
    assert table_of.views_per_class(one) == [0.25, 0.5, 0.25]
    assert table_of.views_per_class(torch.stack([one, one & False])) == [0.625, 0.25, 0.125]


def test_a_lost_view_costs_what_the_law_says():
    assert table_of.law(CELL, 1.0) == 0
    assert table_of.law(CELL, 0.0) == 0  # nothing learned outshines nothing
    spec = MethodsCell().spec
    lost = table_of.lost_error(spec, 2 * 0.5)
    assert table_of.law(MethodsCell(), 0.5) == pytest.approx(0.5 * lost)


def test_the_picture_has_a_cell_for_every_view_of_every_method(row):
    arrays = {name: np.asarray(value) for name, value in row.items() if name.startswith("coverage")}
    rows = pd.DataFrame([row | arrays | {"seed": seed} for seed in (0, 1)])
    drawn = figure.draw(rows)
    strips, coverage, errors = drawn.axes
    boxes = [each for each in strips.patches if isinstance(each, Rectangle)]
    assert len(boxes) == len(METHODS) * CELL.spec.num_classes * CELL.spec.num_views
    filled = sum(not same_color(each.get_facecolor(), style.FAINT) for each in boxes)
    assert filled == sum(int(each.sum()) for each in arrays.values())
    legend = coverage.get_legend()
    assert legend is not None
    assert "n = 2" in legend.get_texts()[-1].get_text()
    assert len(strips.get_yticklabels()) == len(METHODS)
    circles = [each.get_xydata() for each in errors.lines if each.get_marker() == "o"]
    points = [float(np.asarray(xy)[0, 0]) for xy in circles if np.size(xy)]
    assert points == [row[f"{name}_single"] for name in METHODS]
    figure.draw(rows.iloc[:1])  # one repetition has no interval


def test_the_summary_names_every_method(row):
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(script.summary(pd.DataFrame([row | {"seed": seed} for seed in (0, 1)])))
    shown = console.export_text()
    for method in METHODS.values():
        assert method.says in shown
    for title in script.TITLES.values():
        assert title.upper() in shown
    assert shown.count("Correlation of c") == 2
    assert "neurons left" in shown
