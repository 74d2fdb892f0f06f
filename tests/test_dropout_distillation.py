"""dropout_distillation on tiny made-up images: each net, its teacher and inputs, and the claims."""

from dataclasses import replace
from itertools import pairwise

import pandas as pd
import pytest
import torch
from recorded_cost import record_cost
from test_image_contrast import images
from theory_experiments._dropout_distillation import ImageDropoutCell, run_images
from theory_experiments._dropout_nets import Quick
from tidy_tables import table_of

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
    for who in ("standard", "masks_100", "distilled", "fresh", "expectation_linear"):
        assert 0 <= row[who]["error"] <= 1
        assert row[who]["cross_entropy"] > 0
    gaps = {who: row[who]["divergence"] for who in ("masks_100", "standard", "fresh")}
    assert 0 < gaps["masks_100"] < min(gaps["standard"], gaps["fresh"])
    masks = [row[f"masks_{number}"] for number in parts.MASKS]
    assert [each["masks"] for each in masks] == list(parts.MASKS)
    assert all(b < a for a, b in pairwise(each["variance"] for each in masks))
    assert row["distilled"]["variance"] > 0
    assert row["distilled"]["different_images"] == row["data"]["train_images"] == CELL.num_train
    assert 0 <= row["standard"]["train"] <= 1
    small = {"hidden": row["hidden_2_labels"], "all": row["all_2_labels"]}
    for layers, each in small.items():
        student = row[f"{layers}_2_masks"]
        assert (each["layers"], each["factor"], each["taught_by"]) == (layers, 2, "labels")
        assert (student["layers"], student["factor"], student["taught_by"]) == (layers, 2, "masks")
        assert student["parameters"] == each["parameters"]
    whole = row["standard"]["parameters"]
    assert row["fresh"]["parameters"] == whole
    assert (row["standard"]["taught_by"], row["fresh"]["taught_by"]) == ("labels", "masks")
    assert whole > small["hidden"]["parameters"] > small["all"]["parameters"]


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
@pytest.mark.parametrize("preset", ["smoke", "laptop", "paper"])
def test_every_preset_has_cells_that_differ_in_the_seed_alone(preset, part):
    cells = find("dropout_distillation").cells(preset, script.Options(part=part), seeds=2)
    half = len(cells) // 2
    assert half == (4 if part == "all" else 1)
    first = 0 if preset == "smoke" else 10  # results of the seeds before are known
    assert {cell.seed for cell in cells[:half]} == {first}
    assert [replace(cell, seed=first + 1) for cell in cells[:half]] == cells[half:]
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
    figure.draw(script.derived(table_of((cell, script.run(cell, Context())))))
    assert letters == list("abc")


AS_CLAIMED: dict[str, dict] = {
    "data": {"train_images": 2000},
    "standard": {"error": 0.30, "divergence": 0.2},
    "distilled": {"error": 0.29, "divergence": 0.1, "variance": 0.0005},
    "masks_100": {"error": 0.28, "variance": 0.001},
    "masks_5": {"error": 0.33, "variance": 0.03},
    "hidden_4_labels": {"layers": "hidden", "factor": 4, "taught_by": "labels", "error": 0.5},
    "hidden_4_masks": {"layers": "hidden", "factor": 4, "taught_by": "masks", "error": 0.4},
    "all_4_labels": {"layers": "all", "factor": 4, "taught_by": "labels", "error": 0.5},
    "all_4_masks": {"layers": "all", "factor": 4, "taught_by": "masks", "error": 0.4},
}


def claimed(method: str = "", measure: str = "", value: float = 0.0, part: str = "cifar10"):
    """Three repetitions in which all claims hold, but for one value."""
    computed = []
    for seed in range(3):
        row = {who: dict(measures) for who, measures in AS_CLAIMED.items()}
        if method:
            row[method][measure] = value
        for i, each in enumerate(row.values()):  # differences without spread are undecided
            for name in {"error", "divergence", "variance"} & set(each):
                each[name] *= 1 + 1e-4 * seed * (i + 1)
        computed.append((script.laptop()[part], row, seed))
    return script.derived(table_of(*((replace(cell, seed=n), row) for cell, row, n in computed)))


def refuted(table: pd.DataFrame) -> set[str]:
    claims = find("dropout_distillation").claims_about("laptop", script.Options(part="cifar10"))
    found = [judge(claim, table) for claim in claims]
    assert all(each.note == "" for each in found)
    assert {each.verdict for each in found} <= {"supported", "refuted"}
    names = [each.claim.name for each in found if each.verdict == "refuted"]
    return {name.removeprefix("CIFAR-10: ") for name in names}


def test_each_claim_turns_with_the_measure_it_is_about():
    assert refuted(claimed()) == set()
    assert find("dropout_distillation").claims_about("smoke", script.Options()) == []
    student = "student against standard"
    for method, measure, worse, names in (
        ("masks_100", "error", 0.295, {"masks against student"}),
        ("masks_100", "error", 0.31, {"masks", "masks against student"}),
        ("distilled", "error", 0.303, {student}),
        ("distilled", "error", 0.306, {student, "student, no worse"}),
        ("distilled", "error", 0.27, {"masks against student"}),
        ("distilled", "divergence", 0.21, {"nearer the ideal"}),
        ("distilled", "variance", 0.0005, set()),
        ("distilled", "variance", 0.002, {"variance, 100"}),
        ("distilled", "variance", 0.04, {"variance, 5", "variance, 100"}),
        ("hidden_4_masks", "error", 0.55, {"hidden layer / 4"}),
        ("all_4_masks", "error", 0.65, {"layers all / 4"}),
    ):
        assert refuted(claimed(method, measure, worse)) == names


def test_claims_are_about_their_own_part():
    other = claimed("masks_100", "error", 0.4, part="cifar100")
    assert refuted(pd.concat([claimed(), other])) == set()


def test_the_tables_show_numbers_of_the_paper_beside_ours(calls):
    _, row = calls
    shown = printed(row, part="cifar10", data="cifar10")
    for number in ("12.82", "12.16", "0.66", "11.18 +- 0.11", "10.81 +- 0.14", "0.37"):
        assert number in shown
    for words in ("other size", "ours - published", "perturbed", "hidden layer / 2"):
        assert words in shown
    assert "different images" in shown
    assert "from memory" not in shown
    hundred = printed(row, part="cifar100", data="cifar100")
    assert "37.22" in hundred
    assert "from memory" in hundred


def test_nothing_published_stands_beside_made_up_images(calls):
    _, row = calls
    for part in script.IMAGES:
        shown = printed(row, part=part, data="multi_view")
        assert not any(word in shown for word in ("published", "12.82", "1.19", "from memory"))


def printed(row, **changes) -> str:
    cell = replace(CELL, **changes)
    table = script.derived(table_of((cell, row), (replace(cell, seed=1), row)))
    return "\n".join(grid.grid(table).markdown() for grid in tables.image_tables(table))


def test_gains_over_the_standard_prediction_have_their_sign():
    table = claimed("masks_100", "error", 0.28)
    first = next(iter(tables.image_tables(table))).grid(table)
    gains = {texts[0]: texts[first.headings.index("gain, points")] for _, texts in first.rows}
    assert gains["standard"] == ""
    assert gains["mean over 100 masks"].startswith("2.0 [")
    assert gains["student of a copy"].startswith("1.0 [")


def test_images_asked_for_are_there():
    """The smallest class of MNIST has 5421 training and 892 test images."""
    for preset in ("laptop", "paper"):
        cell = {"laptop": script.laptop, "paper": script.paper}[preset]()["mnist"]
        if cell.num_train is not None:
            assert (cell.num_train + cell.num_validation) / 10 <= 5421
        assert cell.num_validation / 10 <= 5421
        if cell.num_test is not None:
            assert cell.num_test / 10 <= 892


def test_a_net_of_all_images_is_counted():
    row = run_images(replace(SHORT, num_train=None, num_test=None), images(), Context())
    number = row["data"]["train_images"]
    assert number == len(images().train_labels) - SHORT.num_validation
    different = row["taught_on_test"]["different_images"]
    assert different == min(number, len(images().test_labels))


def test_test_images_are_repeated_for_as_many_steps():
    seen = []

    class Noting(parts.Work):
        def distilled(self, name, student, teacher, spec, *, images=None, zeroed=True):
            seen.append(images)
            return student

    data = split(images(), 30, 3, 12, stream(0))
    work = Noting(cell=SHORT, splits=data, progress=lambda *args: None)
    found = parts.transfer(work, CELL.net.build(data, stream(0)))
    train, test = seen
    assert train is data.train
    assert len(test) == 30
    assert all((test == each).flatten(1).all(1).sum() in (2, 3) for each in data.test)
    different = [found[f"taught_on_{name}"]["different_images"] for name in ("train", "test")]
    assert different == [30, 12]


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
