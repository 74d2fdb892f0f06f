"""coverage_of_methods: the table of methods, what each is trained on, its row, its picture."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib.colors import same_color
from matplotlib.patches import Rectangle
from theory_experiments._coverage_of_methods import METHODS, NETWORKS
from theory_experiments._coverage_of_methods_bench import Bench, MethodsCell
from tidy_tables import table_of as tidy_table

from figures import coverage_of_methods as figure
from figures import style
from multiview.distill import Hinton, PaperUpdate, Squares
from multiview.models import PatchNet
from multiview.runs.experiment import Context
from multiview.sparsity import sparsify
from theory_experiments import _coverage_of_methods as table_of
from theory_experiments import _coverage_of_methods_bench as bench_of
from theory_experiments import _coverage_of_methods_nets as nets_of
from theory_experiments import coverage_of_methods as script
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
    return table_of.run(CELL, Context())


def logits_of(trained) -> dict[str, torch.Tensor]:
    bench, classifiers, _ = trained
    patches = bench.train.patches[:30]
    return {name: classify(patches) for name, classify in classifiers.items()}


def test_methods_are_what_their_names_say(trained):
    bench, _, _ = trained
    z = logits_of(trained)
    k = CELL.spec.num_classes
    assert z["member"].shape == z["kernel_member"].shape == (30, CELL.members, k)
    torch.testing.assert_close(z["member"], bench.members(bench.train.patches[:30]).detach())
    torch.testing.assert_close(z["ensemble"], z["member"].mean(1))
    torch.testing.assert_close(z["kernel_ensemble"], z["kernel_member"].mean(1))
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
    taught = [each for each in noted if each[0] not in ("member", "summed", "neuron", "patch")]
    assert all(each[3] == CELL.student for each in taught)
    assert all(each[4].equal(taught[0][4]) for each in taught)
    assert all(of[name][3] == CELL.optim for name in ("member", "summed", "neuron", "patch"))
    assert len(noted) == len({(each[0], each[1]) for each in noted})  # nothing is trained twice


def script_gates() -> list[str]:
    return [name for name, method in METHODS.items() if method.group == "gates"]


def test_two_phases_begin_as_the_first_member_and_are_taught_by_the_second(trained, monkeypatch):
    bench, _, noted = trained
    (start,) = [each[2] for each in noted if each[0] == "self_continued"]
    assert start.equal(bench.members.weight[0].detach().flatten())
    said = {}

    def note(labels, teacher, kd_loss, weight=1.0):
        said["last"] = teacher, kd_loss, weight
        return None

    monkeypatch.setattr(nets_of, "distillation_loss", note)
    monkeypatch.setattr(Bench, "taught", lambda self, student, loss=None: student)
    for name, teacher, weight in (
        ("hinton", bench.ensemble, 1.0),
        ("squares", bench.ensemble, 1.0),
        ("paper", bench.ensemble, CELL.push),
        ("self_fresh", bench.logits[:, 1], 1.0),
        ("self_continued", bench.logits[:, 1], CELL.push),
    ):
        METHODS[name].train(bench)
        given, kd_loss, heavy = said["last"]
        assert given.equal(teacher), name
        assert heavy == weight
        kind = {"squares": Squares}.get(name, PaperUpdate if weight == CELL.push else Hinton)
        assert type(kd_loss) is kind


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
    for name, method in METHODS.items():
        line = row[name]
        c, views = line["coverage"], line["views"]
        assert line["covered"].shape == (k, L)
        assert sum(views) == pytest.approx(1)
        assert c == pytest.approx(sum(v * share for v, share in enumerate(views)) / L)
        if name not in ("member", "kernel_member"):
            assert c == pytest.approx(float(line["covered"].double().mean()))
        assert line["law"] == table_of.law(CELL, c)
        assert 0 <= line["single"] <= 1
        assert 0 <= line["multi"] <= 1
        assert ("predicted" in line) == (method.predicted is not None)
        assert ("share_open" in line) == (method.group == "gates")
    lost = {name: 1 - row[name]["coverage"] for name in METHODS}
    for name, missed in (
        ("ensemble", lost["member"] ** CELL.members),
        ("hinton", lost["ensemble"] * lost["labels"]),
        ("self_fresh", lost["member"] * lost["labels"]),
        ("rocket", lost["rocket_booster"] * lost["labels"]),
        ("rocket_kd", lost["rocket_booster"] * lost["member"] * lost["labels"]),
        ("rocket_ensemble", lost["rocket_boosters"] * lost["labels"]),
        ("rocket_boosters", lost["labels"] ** CELL.members),
    ):
        assert row[name]["predicted"] == pytest.approx(1 - missed), name
    first = float(row["member"]["covered"].double().mean())
    assert row["first"]["coverage"] == pytest.approx(first)
    assert row["kernel_summed"]["predicted"] == row["kernel_ensemble"]["coverage"]
    assert row["ensemble"]["single"] <= row["member"]["single"]


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


def table(row, seeds=(0, 1)):
    return script.derived(tidy_table(*((replace(CELL, seed=seed), row) for seed in seeds)))


def test_the_picture_has_a_cell_for_every_view_of_every_method(row):
    drawn = figure.draw(table(row))
    strips, coverage, errors = drawn.axes
    boxes = [each for each in strips.patches if isinstance(each, Rectangle)]
    assert len(boxes) == len(METHODS) * CELL.spec.num_classes * CELL.spec.num_views
    filled = sum(not same_color(each.get_facecolor(), style.FAINT) for each in boxes)
    assert filled == sum(int(row[name]["covered"].sum()) for name in METHODS)
    legend = coverage.get_legend()
    assert legend is not None
    assert "n = 2" in legend.get_texts()[-1].get_text()
    labels = [each.get_text() for each in strips.get_yticklabels()]
    assert labels == [method.says for method in METHODS.values()]
    circles = [each.get_xydata() for each in errors.lines if each.get_marker() == "o"]
    points = [float(np.asarray(xy)[0, 0]) for xy in circles if np.size(xy)]
    assert points == [row[name]["single"] for name in METHODS]
    figure.draw(table(row, seeds=(0,)))  # one repetition has no interval


def test_every_group_has_a_colour_of_its_own():
    assert set(figure.COLOURS) == set(script.TITLES.values())
    assert {method.group for method in METHODS.values()} == set(script.TITLES)
    assert len(set(figure.COLOURS.values())) == len(figure.COLOURS)


def test_the_tables_name_every_method(row):
    rows = table(row)
    methods, correlations = (each.grid(rows) for each in script.tables(rows))
    assert [texts[0] for _, texts in methods.rows] == [each.says for each in METHODS.values()]
    assert [group for group, _ in methods.rows] == [
        script.TITLES[each.group] for each in METHODS.values()
    ]
    assert [texts[0] for _, texts in correlations.rows] == [
        f"over {len(NETWORKS)} networks",
        f"over {len(METHODS)} methods",
    ]
    left = methods.headings.index("neurons left, %")
    gated = [bool(texts[left]) for _, texts in methods.rows]
    assert gated == [method.group == "gates" for method in METHODS.values()]
