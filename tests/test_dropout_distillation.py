"""dropout_distillation on tiny made-up images: each net, its teacher and inputs, and the claims."""

import io
from dataclasses import replace
from itertools import pairwise

import pandas as pd
import pytest
import torch
from recorded_cost import record_cost
from rich.console import Console
from test_image_contrast import images

from figures import dropout_distillation as figure
from figures import style
from multiview import stream
from multiview.data.splits import split
from multiview.distill import averaged_logits
from multiview.models import QuickNet
from multiview.runs.claims import judge
from multiview.runs.experiment import Context
from multiview.runs.find import find
from multiview.runs.script import run_script
from multiview.train.compute import ComputeSpec, frozen
from multiview.train.optim import OptimSpec
from multiview.train.stochastic import DropoutSwitch
from theory_experiments import _dropout_distillation as parts
from theory_experiments import _dropout_nets as nets
from theory_experiments import _dropout_tables as tables
from theory_experiments import dropout_distillation as script
from theory_experiments._dropout_distillation import ImageDropoutCell, run_images
from theory_experiments._dropout_nets import Quick
from theory_experiments._image_nets import Dense

CELL = ImageDropoutCell(
    data="multi_view",
    num_train=30,
    num_validation=3,
    num_test=60,
    net=Quick(widths=(4, 4, 8), hidden=8),
    teaching=OptimSpec(epochs=8, batch_size=10, learning_rate=0.05),
    distilling=OptimSpec(epochs=2, batch_size=10, learning_rate=0.01),
    penalty=0.5,
    shrink=(2,),
    compute=ComputeSpec(),
)

SHORT = replace(
    CELL,
    teaching=replace(CELL.teaching, epochs=1),
    penalty=None,
    shrink=(),
    distilling=CELL.distilling,
)


@pytest.fixture(scope="module")
def calls():
    """Every distillation of a run: its student's start, its settings; and the row."""
    noted = []
    plain = parts.dropout_distillation

    def note(student, teacher, inputs, **settings):
        start = torch.cat([each.detach().flatten() for each in student.parameters()])
        noted.append((start, teacher, inputs, settings))
        return plain(student, teacher, inputs, **settings)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "dropout_distillation", note)
        row = run_images(CELL, images(), Context())
    return noted, row


def test_every_number_is_there_and_holds_together(calls):
    _, row = calls
    for who in ("standard", "mc", "distilled", "fresh", "el"):
        assert 0 <= row[who] <= 1
        assert row[f"{who}_nll"] > 0
    assert 0 < row["mc_gap"] < min(row["standard_gap"], row["fresh_gap"])
    assert row["mc_by_masks"][-1] == row["mc"]
    variances = row["mc_variance"]
    assert all(b < a for a, b in pairwise(variances))
    assert row["distilled_variance"] > 0
    assert row["transfer_perturbed"] == row["distilled"]
    assert row["factors"] == (1, 2)
    for layers in ("hidden", "all"):
        assert row[f"{layers}_baseline"][0] == row["standard"]
        assert row[f"{layers}_distilled"][0] == row["fresh"]
    sizes = {name: row[f"{name}_parameters"] for name in ("hidden", "all")}
    assert sizes["hidden"][0] == sizes["all"][0] > sizes["hidden"][1] > sizes["all"][1]


def test_students_have_the_stated_starts_teachers_and_inputs(calls):
    noted, _ = calls
    first, again, fresh, on_train, on_test, *small = noted
    (teacher,) = {id(each[1]): each[1] for each in noted}.values()  # one for all
    weights = torch.cat([each.detach().flatten() for each in teacher.parameters()])
    for start, *_ in (first, again, on_train, on_test):
        assert start.equal(weights)
    assert not fresh[0].equal(weights)
    assert len(small) == 2
    assert all(len(start) < len(weights) for start, *_ in small)
    zeroed = [each for each in noted if each[3]["augment"] is not None]
    assert [id(each) for each in zeroed] == [id(each) for each in (first, again)]
    assert all(len(each[2]) == CELL.num_train for each in noted)  # as many steps
    assert not on_test[2].equal(on_train[2])
    specs = [each[3]["spec"] for each in noted]
    gentle = replace(CELL.teaching, learning_rate=CELL.fresh_rate)
    short, long = CELL.distilling, gentle
    assert specs == [short, short, long, short, short, long, long]
    assert first[3]["generator"] is not again[3]["generator"]


def net() -> QuickNet:
    return QuickNet(image_shape=(3, 8, 8), num_classes=3, generator=stream(0))


def test_masks_of_a_net_are_those_of_the_whole_net():
    """Computing what comes before dropout once changes nothing: the same mean, over many masks."""
    x = torch.randn(4, 3, 8, 8, generator=stream(0, "x"))
    each = nets.by_masks(net(), x, 1000, stream(1), ComputeSpec())
    assert each.shape == (4, 1000, 3)
    with DropoutSwitch(on=True), torch.no_grad():
        own = net()(x.repeat_interleave(1000, 0)).unflatten(0, (4, 1000))
    gap = averaged_logits(each).softmax(1) - averaged_logits(own).softmax(1)
    assert gap.abs().max() < 0.03
    assert each[:, 0].unique(dim=0).shape[0] == 4


def test_the_penalty_is_not_one_of_rounding():
    """Without dropout both answers are the same, in bfloat16 too."""
    settings = {"image_shape": (3, 8, 8), "num_classes": 3, "generator": stream(0)}
    model, compute = QuickNet(dropout=0.0, **settings), ComputeSpec(bfloat16=True)
    x, rows = torch.randn(3, 3, 8, 8, generator=stream(0, "x")), torch.arange(3)
    logits = compute.prepared(model)(x)
    losses = [nets.expectation_linear(model, rows, w, compute)(logits, x, rows) for w in (0.0, 1e6)]
    assert losses[0] == losses[1]
    assert not logits.equal(model(x))


def test_masks_are_drawn_for_some_images_at_a_time(monkeypatch):
    asked, drawn = [], nets.monte_carlo

    def note(*args, **settings):
        function = drawn(*args, **settings)
        return lambda x: asked.append(len(x)) or function(x)

    monkeypatch.setattr(nets, "monte_carlo", note)
    monkeypatch.setattr(nets, "ROWS", 20)
    x = torch.randn(5, 3, 8, 8, generator=stream(0, "x"))
    each = nets.by_masks(net(), x, 8, stream(1), ComputeSpec())
    assert each.shape == (5, 8, 3)
    assert asked == [16, 16, 8]
    alike = nets.by_masks(net(), x[:1].repeat(5, 1, 1, 1), 8, stream(1), ComputeSpec())
    assert not alike[0].equal(alike[2])  # every block has masks of its own


def test_errors_of_groups_of_masks():
    right, bad = [3.0, 0.0], [0.0, 1.0]
    each = torch.tensor([[right, bad, bad, bad, right]])  # one sample, five masks
    labels = torch.tensor([0])
    assert nets.mean_error(each, 1, labels) == pytest.approx(0.6)
    assert nets.mean_error(each, 2, labels) == 0.5  # the last mask has no partner
    assert nets.mean_error(each, 5, labels) == 0


def test_the_penalty_is_the_gap_to_the_net_without_dropout():
    model, x = net().train(), torch.randn(5, 3, 8, 8, generator=stream(0, "x"))
    labels = torch.tensor([0, 1, 2, 0, 1])
    rows = torch.arange(5)
    logits = model(x)
    compute = ComputeSpec()
    none = nets.expectation_linear(model, labels, 0.0, compute)(logits, x, rows)
    some = nets.expectation_linear(model, labels, 0.7, compute)(logits, x, rows)
    gap = logits.softmax(1) - frozen(model)(x).softmax(1)
    torch.testing.assert_close(some - none, 0.7 * gap.square().sum(1).mean())
    torch.testing.assert_close(none, torch.nn.functional.cross_entropy(logits, labels))
    assert gap.abs().max() > 0.01


def test_pixels_are_zeroed_in_all_channels_at_the_stated_rate():
    ones = torch.ones(50, 3, 20, 20)
    left = nets.pixels_zeroed(ones, stream(0), p=0.2)
    assert left.eq(left[:, :1]).all()
    assert left.mean() == pytest.approx(0.8, abs=0.02)


def test_variance_of_two_draws_estimates_that_of_one():
    generator = stream(0)
    base = torch.tensor([0.2, 0.3, 0.5])
    noise = [0.02 * torch.randn(5000, 3, generator=generator) for _ in range(2)]
    noise = [each - each.mean(1, keepdim=True) for each in noise]
    expected = 0.02**2 * 2  # in two dimensions: probabilities sum to 1
    first, second = ((base + each).log() for each in noise)
    assert nets.spread(first, second) == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"zeroed": 1.0}, "zeroed=1.0"),
        ({"shrink": (1, 2)}, r"shrink=\(1, 2\)"),
        ({"net": Dense(widths=(4,))}, "Quick net"),
    ],
)
def test_bad_cells_are_refused(change, says):
    with pytest.raises(ValueError, match=says):
        replace(CELL, **change)


@pytest.mark.parametrize("part", ["all", "mnist", "cifar10", "cifar100", "synthetic"])
@pytest.mark.parametrize("preset", list(script.PRESETS))
def test_every_preset_has_cells_that_differ_in_the_seed_alone(preset, part):
    cells = find("dropout_distillation").cells(preset, script.Options(part=part), seeds=2)
    half = len(cells) // 2
    assert half == (4 if part == "all" else 1)
    assert [replace(cell, seed=1) for cell in cells[:half]] == cells[half:]
    for cell in cells[: half if part == "all" else 0]:
        if cell.part in script.IMAGES:
            classes = 100 if cell.data == "cifar100" else 10
            for size in (cell.num_train, cell.num_validation, cell.num_test):
                assert size is None or size % classes == 0


def test_images_without_a_directory_are_refused_before_any_work(tmp_path, capfd):
    assert run_script(find("dropout_distillation"), ["--out", str(tmp_path)]) == 2
    error = capfd.readouterr().err
    assert "--data-dir" in error
    assert "--part synthetic" in error


def test_the_smoke_preset_is_drawn(tmp_path):
    args = ["--preset", "smoke", "--seeds", "1", "--out", str(tmp_path)]
    assert run_script(find("dropout_distillation"), args) == 0
    folder = tmp_path / "dropout_distillation"
    assert (folder / "dropout_distillation-smoke.png").stat().st_size


@pytest.mark.parametrize("part", ["cifar10", "synthetic"])
def test_panels_of_one_part_begin_with_a(part, monkeypatch):
    letters = []
    monkeypatch.setattr(style, "title", lambda axes, letter, text: letters.append(letter))
    options = script.Options(part=part)
    (cell,) = find("dropout_distillation").cells("smoke", options, seeds=1)
    table = pd.DataFrame([vars(cell) | script.run(cell, Context())])
    figure.draw(table)
    assert letters == list("abcd" if part == "cifar10" else "abc")


def rows(**changes) -> pd.DataFrame:
    """Two repetitions on CIFAR-10 in which all claims hold."""
    columns = {
        "standard": 0.30,
        "mc": 0.28,
        "distilled": 0.29,
        "fresh": 0.4,
        "standard_gap": 0.2,
        "distilled_gap": 0.1,
        "mc_variance": [[0.1, 0.05, 0.03, 0.01, 0.005, 0.002, 0.001]] * 2,
        "mc_by_masks": [[0.4, 0.35, 0.33, 0.3, 0.29, 0.28, 0.28]] * 2,
        "distilled_variance": 0.0005,
        "hidden_baseline": [[0.3, 0.5]] * 2,
        "hidden_distilled": [[0.4, 0.4]] * 2,
        "all_baseline": [[0.3, 0.5]] * 2,
        "all_distilled": [[0.4, 0.4]] * 2,
    }
    return pd.DataFrame({"seed": [0, 1], "part": "cifar10", "status": "ok", **columns, **changes})


def refuted(table: pd.DataFrame) -> set[str]:
    options = script.Options(part="cifar10")
    found = [judge(claim, table) for claim in script.claims("laptop", options)]
    assert all(each.note == "" for each in found)
    assert {each.verdict for each in found} <= {"supported", "refuted"}
    names = [each.claim.name for each in found if each.verdict == "refuted"]
    return {name.removeprefix("CIFAR-10: ") for name in names}


def test_each_claim_turns_with_the_column_it_is_about():
    assert refuted(rows()) == set()
    assert script.claims("smoke", script.Options()) == []
    student = "student against standard"
    for column, worse, names in (
        ("mc", 0.295, {"masks against student"}),
        ("mc", 0.31, {"masks", "masks against student"}),
        ("distilled", 0.303, {student}),
        ("distilled", 0.306, {student, "student, no worse"}),
        ("distilled", 0.27, {"masks against student"}),
        ("distilled_gap", 0.21, {"nearer the ideal"}),
        ("distilled_variance", 0.0005, set()),
        ("distilled_variance", 0.002, {"variance, 100"}),
        ("distilled_variance", 0.04, {"variance, 5", "variance, 100"}),
        ("hidden_distilled", [[0.4, 0.55]] * 2, {"hidden layer / 4"}),
        ("all_distilled", [[0.4, 0.65]] * 2, {"layers all / 4"}),
    ):
        assert refuted(rows(**{column: worse})) == names


def test_claims_are_about_their_own_part():
    other = rows(part="cifar100", mc=0.4)
    assert refuted(pd.concat([rows(), other])) == set()


def test_the_summary_shows_numbers_of_the_paper_beside_ours(calls):
    _, row = calls
    shown = summary_text(row, part="cifar10", data="cifar10")
    for number in ("12.82", "12.16", "0.66", "11.18 +- 0.11", "10.81 +- 0.14", "0.37"):
        assert number in shown
    for words in ("other size", "verdict", "perturbed", "hidden layer / 2", "different images"):
        assert words in shown
    assert "from memory" not in shown
    hundred = summary_text(row, part="cifar100", data="cifar100")
    assert "37.22" in hundred
    assert "from memory" in hundred


def test_nothing_published_stands_beside_made_up_images(calls):
    _, row = calls
    for part in script.IMAGES:
        shown = summary_text(row, part=part, data="multi_view")
        assert not any(word in shown for word in ("published,\n", "12.82", "1.19", "from memory"))
        assert not any(word in shown for word in ("agrees", "opposite", "open"))


def summary_text(row, **changes) -> str:
    cell = {"num_train": None, "shrink": (2,), "seed": 0} | changes
    table = pd.DataFrame([row | cell, row | cell | {"seed": 1}])
    console = Console(width=250, record=True, file=io.StringIO())
    console.print(script.summary(table))
    return console.export_text()


def test_a_verdict_is_of_the_sign_of_the_gain():
    assert tables.sign(0.6, [0.01, 0.011, 0.012]) == "agrees"
    assert tables.sign(0.6, [-0.01, -0.011, -0.012]) == "opposite"
    assert tables.sign(-0.6, [-0.01, -0.011, -0.012]) == "agrees"
    assert tables.sign(0.6, [-0.01, 0.02, 0.01]) == "open"
    assert tables.sign(0.6, [0.01]) == "open"  # one says nothing of its spread


def test_images_asked_for_are_there():
    """The smallest class of MNIST has 5421 training and 892 test images."""
    for preset in ("laptop", "paper"):
        cell = script.PRESETS[preset]()["mnist"]
        if cell.num_train is not None:
            assert (cell.num_train + cell.num_validation) / 10 <= 5421
        assert cell.num_validation / 10 <= 5421
        if cell.num_test is not None:
            assert cell.num_test / 10 <= 892


def test_a_net_of_all_images_is_counted():
    row = run_images(replace(SHORT, num_train=None, num_test=None), images(), Context())
    assert row["train_images"] == len(images().train_labels) - SHORT.num_validation
    assert row["transfer_images"][2] == min(row["train_images"], len(images().test_labels))


def test_test_images_are_repeated_for_as_many_steps():
    seen = []

    class Noting(parts.Work):
        def distilled(self, name, student, teacher, spec, *, images=None, zeroed=True):
            seen.append(images)
            return student

    data = split(images(), 30, 3, 12, stream(0))
    work = Noting(cell=SHORT, splits=data, progress=lambda *args: None)
    columns = parts.transfer(work, CELL.net.build(data, stream(0)))
    train, test = seen
    assert train is data.train
    assert len(test) == 30
    assert all((test == each).flatten(1).all(1).sum() in (2, 3) for each in data.test)
    assert columns["transfer_images"] == (30, 30, 12)


def test_cost_counts_every_training(monkeypatch):
    said = record_cost(monkeypatch, images())
    cell = replace(CELL, data="cifar10", penalty=None, shrink=())
    assert script.cost([cell], Context()) is not None
    one = said["flop"]
    few = split(images(), 3, 3, 3, stream(0))
    forward = script.cost_of(cell.net.build(few, stream(0)), few.train[0]).forward
    # Teacher 8 epochs; four students 2 and a fresh one 8 epochs, each with a teacher forward.
    assert one == 30 * forward * (3 * 8 + 4 * (2 * 4 + 8))
    script.cost([replace(cell, penalty=1.0)], Context())
    assert said["flop"] - one == 30 * forward * 3 * 16
    all_there_are = len(images().train_labels) - cell.num_validation
    script.cost([replace(cell, num_train=None)], Context())
    assert said["flop"] == pytest.approx(one * all_there_are / 30)
    script.cost([CELL], Context())
    assert script.cost([replace(CELL, data="multi_view")], Context()) is None
