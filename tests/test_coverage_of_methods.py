"""coverage_of_methods: the table of methods, what each is trained on, its row, claims, picture."""

import io
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.colors import same_color
from matplotlib.patches import Rectangle
from rich.console import Console

from figures import coverage_of_methods as figure
from multiview.claims import judge
from multiview.experiment import Context, NoOptions
from multiview.models import PatchNet
from multiview.sparsity import sparsify
from theory_experiments import _coverage_of_methods as table_of
from theory_experiments import _coverage_of_methods_bench as bench_of
from theory_experiments import _coverage_of_methods_claims as claims_of
from theory_experiments import _coverage_of_methods_nets as nets_of
from theory_experiments import coverage_of_methods as script
from theory_experiments._coverage_of_methods import METHODS, NETWORKS
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


def test_every_method_has_its_place_in_the_picture_the_summary_and_a_claim():
    drawn = {who: group for group, (*_, methods) in figure.GROUPS.items() for who in methods}
    assert drawn == {name: method.group for name, method in METHODS.items()}
    assert list(drawn) == list(METHODS)
    assert list(script.TITLES) == list(figure.GROUPS)
    claimed = {name for line in claims_of.DIFFERENCES for name in line[-2:]}
    assert claimed | {"one", "ensemble", "summed", "patch"} == set(METHODS)
    colours = [colour for _, colour, _ in figure.GROUPS.values()]
    assert len(set(colours)) == len(colours)


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
    light = ("rocket", "rocket_unblocked", "rocket_ensemble")
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
    _, _, noted = trained
    found = {each[0]: each for each in noted if each[1] == "rocket_launching"}
    assert set(found) == {
        "rocket",
        "rocket_unblocked",
        "rocket_half",
        "rocket_shared",
        "rocket_ensemble",
    }
    blocked = {name: each[6]["block"] for name, each in found.items()}
    assert [name for name, value in blocked.items() if not value] == ["rocket_unblocked"]
    booster = new_nets(CELL, "booster", 1).weight.detach()[0]
    light = new_nets(CELL, "student", 1).weight.detach()[0]
    half = CELL.width // 2
    expected = torch.cat([booster[:, :half].flatten(), light[:, half:].flatten()])
    assert found["rocket_half"][2].equal(expected)
    assert found["rocket_shared"][2].equal(booster.flatten())
    assert len(found["rocket_ensemble"][5][0]) == CELL.members


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
    assert isinstance(small.net, PatchNet)
    assert small.net.weight.shape[2] == 1
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
    assert row["ensemble_predicted"] == 1 - (1 - row["one_coverage"]) ** CELL.members
    both = (1 - row["ensemble_coverage"]) * (1 - row["one_coverage"])
    assert row["hinton_predicted"] == row["rocket_ensemble_predicted"] == pytest.approx(1 - both)
    assert row["self_fresh_predicted"] == pytest.approx(1 - (1 - row["one_coverage"]) ** 2)
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


def ideal(changes: dict[str, float] | None = None, n: int = 4) -> pd.DataFrame:
    """A table in which all that is claimed is so, but for what is changed."""
    c = dict.fromkeys(METHODS, 0.6) | {
        **dict.fromkeys(("ensemble", "hinton", "squares", "paper", "self_fresh"), 0.97),
        **dict.fromkeys(("self_continued", "rocket_ensemble", "dense_soft", "pruned_soft"), 0.95),
        **dict.fromkeys(("neuron", "neuron_masks", "neuron_distilled", "rocket"), 0.8),
        **dict.fromkeys(("patch", "patch_masks", "patch_distilled"), 1.0),
        **dict.fromkeys(("kernel_ensemble", "kernel_sum"), 0.9),
        "pruned": 0.5,
    }
    c |= changes or {}
    rows = []
    for seed in range(n):
        each = {f"{name}_coverage": value + 1e-4 * seed for name, value in c.items()}
        for name, value in c.items():
            each |= {f"{name}_law": 1 - value, f"{name}_single": 1 - value, f"{name}_multi": 0.0}
        each["ensemble_predicted"] = 0.974
        rows.append(each | {"seed": seed, "status": "ok"})
    return pd.DataFrame(rows)


def verdicts(table: pd.DataFrame) -> dict[str, str]:
    return {each.name: judge(each, table).verdict for each in script.claims("laptop", NoOptions())}


def test_claims_hold_where_the_theory_does_and_fall_where_it_does_not():
    assert set(verdicts(ideal()).values()) == {"supported"}
    for name, value, claim in (
        ("one", 0.9, "one: a lottery"),
        ("ensemble", 0.8, "ensemble: all lotteries"),
        ("summed", 0.9, "summed: one lottery"),
        ("patch", 0.7, "patch: all views"),
    ):
        assert verdicts(ideal({name: value}))[claim] == "refuted"
    high, low = 0.99, 0.05
    for name, *_, (least, _), who, _ in claims_of.DIFFERENCES:
        value = low if least > -math.inf else high
        assert verdicts(ideal({who: value}))[name] == "refuted", name
    table = ideal()
    table["dense_single"] = table["dense_law"] + 0.3
    assert verdicts(table)["law: largest gap"] == "refuted"
    assert verdicts(table)["law: an upper end"] == "refuted"
    table["dense_single"] = table["dense_law"] - 0.3
    found = verdicts(table)
    assert (found["law: largest gap"], found["law: an upper end"]) == ("refuted", "supported")
    table["kernel_one_single"] = table["kernel_distilled_single"] = 0.0
    assert verdicts(table)["c explains: all methods"] == "refuted"
    table["summed_multi"] = 0.1
    assert verdicts(table)["multi-view error"] == "refuted"
    assert script.claims("smoke", NoOptions()) == []


def test_a_correlation_of_equal_values_is_none():
    table = ideal(n=2)
    for name in NETWORKS:
        table[f"{name}_coverage"] = 0.5
    assert np.isnan(claims_of.correlation(NETWORKS)(table)).all()


def test_the_picture_has_a_cell_for_every_view_of_every_method(row):
    arrays = {name: np.asarray(value) for name, value in row.items() if name.startswith("coverage")}
    rows = pd.DataFrame([row | arrays | {"seed": seed} for seed in (0, 1)])
    drawn = figure.draw(rows)
    strips, coverage, errors = drawn.axes
    boxes = [each for each in strips.patches if isinstance(each, Rectangle)]
    assert len(boxes) == len(METHODS) * CELL.spec.num_classes * CELL.spec.num_views
    filled = sum(not same_color(each.get_facecolor(), figure.EMPTY) for each in boxes)
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


def test_settings_that_mean_nothing_are_refused():
    with pytest.raises(ValueError, match="members=1"):
        MethodsCell(members=1)
    with pytest.raises(ValueError, match=r"light_penalty=0\.5"):
        MethodsCell(light_penalty=0.5, strong_penalty=0.2)
