"""dropout_distillation on images: what is trained, claims, tables, presets and figure."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pandas as pd
import pytest
import torch
from drawn_numbers import curves, points
from tidy_tables import changed, repeated, table_of, texts

from figures import dropout_distillation as figure
from multiview import stream
from multiview.bench import check, run
from multiview.methods import MaskStudent
from multiview.models import QuickNet
from multiview.runs.claims import judge
from multiview.runs.experiment import Context
from multiview.runs.find import find
from multiview.runs.script import run_script
from multiview.train import ComputeSpec, frozen
from multiview.train.bfloat16 import is_native
from theory_experiments import dropout_distillation as script
from theory_experiments.views import dropout_images as images
from theory_experiments.views import dropout_tables as tables
from theory_experiments.views.dropout_nets import ImageStudent, expectation_linear

(LAPTOP,) = images.LAPTOP["cifar10"]
# Long enough that students of other inputs answer otherwise; with all methods.
CELL = images.cell(
    "cifar10",
    images.resized(images.SMOKE["cifar10"][0].setting, 8, 2, batch_size=10, num_test=40),
    penalty=0.5,
    factors=(2,),
)


@pytest.fixture(scope="module")
def row():
    return run(CELL, Context())


def test_every_number_is_there_and_holds_together(row):
    for who in ("standard", "masks_100", "distilled", "fresh", "expectation_linear"):
        assert 0 <= row[who]["error"] <= 1
        assert row[who]["cross_entropy"] > 0
    gaps = {who: row[who]["divergence"] for who in ("masks_100", "standard", "fresh")}
    assert 0 < gaps["masks_100"] < min(gaps["standard"], gaps["fresh"])
    masks = [row[f"masks_{number}"] for number in images.MASKS.numbers]
    assert all(b < a for a, b in pairwise(each["variance"] for each in masks))
    assert row["distilled"]["variance"] > 0
    assert row["distilled"]["different_images"] == row["data"]["train_images"] == 50
    assert row["taught_on_test"]["different_images"] == 40
    assert 0 <= row["standard"]["train"] <= 1
    assert (row["standard"]["taught_by"], row["fresh"]["taught_by"]) == ("labels", "masks")
    sizes = [row[f"{who}_2_labels"]["parameters"] for who in ("all", "hidden")]
    assert sizes == [row[f"{who}_2_masks"]["parameters"] for who in ("all", "hidden")]
    whole = row["standard"]["parameters"]
    assert sizes[0] < sizes[1] < whole == row["fresh"]["parameters"]
    place = {name: row["hidden_2_masks"][name] for name in ("layers", "factor", "taught_by")}
    assert place == {"layers": "hidden", "factor": 2, "taught_by": "masks"}


def test_students_have_the_stated_starts_inputs_and_optimisers():
    students = {n: m for n, m in LAPTOP.methods.items() if isinstance(m, MaskStudent)}
    usual = ImageStudent(of=images.TEACHER)
    long = replace(LAPTOP.setting.recipe.optim, learning_rate=0.03)
    fresh = replace(usual, start="student", optim=long)
    net = LAPTOP.setting.net
    assert students == {
        "distilled": replace(usual, hidden=0.2),
        "distilled_again": replace(usual, hidden=0.2, draw=1),
        "fresh": fresh,
        "taught_on_train": usual,
        "taught_on_test": replace(usual, on_test=True),
        "hidden_4_masks": replace(fresh, net=net.shrunk(4, "hidden")),
        "all_4_masks": replace(fresh, net=net.shrunk(4, "all")),
    }
    short = LAPTOP.setting.students.optim
    assert (short.epochs, short.learning_rate) == (2, 0.005)
    linear: Any = images.LAPTOP["mnist"][0].methods["expectation_linear"]
    assert linear.weight == 1.0


def test_test_images_are_repeated_or_left_out_for_as_many_steps():
    for num_test in (20, 70):
        bench = replace(CELL.setting, num_test=num_test).bench(0, Context())
        inputs = ImageStudent(of=images.TEACHER, on_test=True).inputs(bench)
        assert len(inputs) == 50
        times = [(inputs == each).flatten(1).all(1).sum() for each in bench.samples.test]
        assert set(map(int, times)) == ({2, 3} if num_test == 20 else {0, 1})


def model(dropout: float = 0.4) -> QuickNet:
    settings = {"image_shape": (3, 8, 8), "num_classes": 3, "generator": stream(0)}
    return QuickNet(dropout=dropout, **settings)


def test_the_penalty_is_the_gap_to_the_net_without_dropout():
    net, x = model().train(), torch.randn(5, 3, 8, 8, generator=stream(0, "x"))
    labels, rows = torch.tensor([0, 1, 2, 0, 1]), torch.arange(5)
    logits = net(x)
    none, some = (
        expectation_linear(net, labels, weight, ComputeSpec())(logits, x, rows)
        for weight in (0.0, 0.7)
    )
    gap = logits.softmax(1) - frozen(net)(x).softmax(1)
    torch.testing.assert_close(some - none, 0.7 * gap.square().sum(1).mean())
    torch.testing.assert_close(none, torch.nn.functional.cross_entropy(logits, labels))
    assert gap.abs().max() > 0.01


def test_the_penalty_is_not_one_of_rounding():
    """Without dropout both answers are the same, in bfloat16 too."""
    net, compute = model(dropout=0.0), ComputeSpec(bfloat16=True)
    x, rows = torch.randn(3, 3, 8, 8, generator=stream(0, "x")), torch.arange(3)
    logits = compute.prepared(net)(x)
    losses = [expectation_linear(net, rows, w, compute)(logits, x, rows) for w in (0.0, 1e6)]
    assert losses[0] == losses[1]
    assert logits.equal(net(x)) != is_native(x.device)


@pytest.mark.parametrize("part", ["all", "mnist", "cifar10", "cifar100", "synthetic"])
@pytest.mark.parametrize("preset", ["smoke", "laptop", "hours", "paper"])
def test_every_preset_has_cells_that_differ_in_the_seed_alone(preset, part):
    cells = find("dropout_distillation").cells(preset, script.Options(part=part), seeds=2)
    half = len(cells) // 2
    expected = [*images.NAMES, "synthetic"] if part == "all" else [part]
    assert list(dict.fromkeys(cell.part for cell in cells[:half])) == expected
    first = 0 if preset == "smoke" else 10  # results of the seeds before are known
    assert {cell.seed for cell in cells[:half]} == {first}
    assert [replace(cell, seed=first + 1) for cell in cells[:half]] == cells[half:]
    check([cell for cell in cells if preset == "smoke" or cell.part == "synthetic"], Context())
    for cell in cells[: half if part == "all" else 0]:
        if cell.part in images.NAMES:
            classes = 100 if cell.setting.data == "cifar100" else 10
            for size in ("num_train", "num_validation", "num_test"):
                number = getattr(cell.setting, size)
                assert number is None or number % classes == 0


def test_images_asked_for_are_there():
    """The smallest class of MNIST has 5421 training and 892 test images."""
    for preset in (images.LAPTOP, images.PAPER):
        setting = preset["mnist"][0].setting
        assert ((setting.num_train or 0) + setting.num_validation) / 10 <= 5421
        assert (setting.num_test or 0) / 10 <= 892


def test_images_without_a_directory_are_refused_before_any_work(tmp_path, capfd):
    assert run_script(find("dropout_distillation"), ["--out", str(tmp_path)]) == 2
    assert "--data-dir" in capfd.readouterr().err


def test_the_smoke_preset_is_drawn(tmp_path):
    args = ["--preset", "smoke", "--seeds", "1", "--out", str(tmp_path)]
    assert run_script(find("dropout_distillation"), args) == 0
    folder = tmp_path / "dropout_distillation"
    assert (folder / "dropout_distillation-smoke.png").stat().st_size


def test_gains_are_drawn_beside_the_published_ones(row):
    real = replace(CELL, setting=replace(CELL.setting, data="cifar10"))
    table = images.derived(table_of((real, row)))
    (axes,) = figure.draw(table).axes
    assert axes.get_title("left").startswith("a ")
    who = ("masks_100", "distilled", "fresh", "expectation_linear")
    drawn = [x for marker, x, _ in points(axes) if marker != "x"]
    assert drawn == pytest.approx([row["standard"]["error"] - row[each]["error"] for each in who])
    published = [x for marker, x, _ in points(axes) if marker == "x"]
    assert published == pytest.approx([0.0066, 0.0037, 0.0032])
    assert "published, larger networks" in axes.get_legend_handles_labels()[1]


def test_views_are_drawn_by_how_often_patches_and_neurons_are_dropped():
    rates = {("nothing", 0.0): 0.5, ("neuron", 0.25): 0.6, ("patch", 0.5): 0.9}
    lines = [
        {"seed": seed, "part": "synthetic", "width": 10, "method": f"{what}_{rate}"}
        | {"dropped": what, "probability": rate, "coverage": c}
        for (what, rate), c in rates.items()
        for seed in (0, 1)
    ]
    lines += [
        {"seed": seed, "part": "synthetic", "width": 10, "method": "standard"} for seed in (0, 1)
    ]
    (axes,) = figure.draw(pd.DataFrame(lines)).axes
    drawn = curves(axes)
    assert drawn["whole patches dropped"] == [[0, 0.5], [0.5, 0.9]]
    assert drawn["neurons dropped"] == [[0, 0.5], [0.25, 0.6]]
    levels = {str(each.get_label()): each.get_ydata() for each in axes.get_lines()}
    assert levels["4 such networks, closed form"] == pytest.approx([1 - 0.5**4] * 2)


IDEAL: dict[str, dict] = {
    "data": {"train_images": 2000},
    "standard": {"error": 0.30, "divergence": 0.2},
    "distilled": {"error": 0.29, "divergence": 0.1, "variance": 0.0005},
    "masks_100": {"error": 0.28, "variance": 0.001},
    "masks_5": {"error": 0.33, "variance": 0.03},
    **{f"{layers}_4_labels": {"error": 0.5} for layers in ("hidden", "all")},
    **{f"{layers}_4_masks": {"error": 0.4} for layers in ("hidden", "all")},
}


def refuted(table: pd.DataFrame) -> set[str]:
    claims = find("dropout_distillation").claims_about("laptop", script.Options(part="cifar10"))
    found = [judge(claim, table) for claim in claims]
    assert all(each.note == "" for each in found)
    assert {each.verdict for each in found} <= {"supported", "refuted"}
    names = [each.claim.name for each in found if each.verdict == "refuted"]
    return {name.removeprefix("CIFAR-10: ") for name in names}


@pytest.mark.parametrize(
    ("name", "value", "refutes"),
    [
        ("standard.error", 0.3, set()),
        ("masks_100.error", 0.295, {"masks against student"}),
        ("masks_100.error", 0.31, {"masks", "masks against student"}),
        ("distilled.error", 0.303, {"student against standard"}),
        ("distilled.error", 0.306, {"student against standard", "student, no worse"}),
        ("distilled.error", 0.27, {"masks against student"}),
        ("distilled.divergence", 0.21, {"nearer the ideal"}),
        ("distilled.variance", 0.002, {"variance, 100"}),
        ("distilled.variance", 0.04, {"variance, 5", "variance, 100"}),
        ("hidden_4_masks.error", 0.55, {"hidden layer / 4"}),
        ("all_4_masks.error", 0.65, {"layers all / 4"}),
    ],
)
def test_each_claim_turns_with_the_measure_it_is_about(name, value, refutes):
    table = repeated({LAPTOP: changed(IDEAL, {name: value})})
    assert refuted(table) == refutes
    # Claims are about their own part.
    other = repeated({images.LAPTOP["cifar100"][0]: changed(IDEAL, {"masks_100.error": 0.4})})
    assert refuted(pd.concat([table, other])) == refutes


def test_no_claim_is_made_of_smoke_cells():
    assert find("dropout_distillation").claims_about("smoke", script.Options()) == []


def printed(row, part: str, data: str) -> str:
    cell = replace(CELL, part=part, setting=replace(CELL.setting, data=data))
    table = images.derived(table_of(*((replace(cell, seed=i), row) for i in (0, 1))))
    return texts(tables.tables(table), table)


def test_the_tables_show_numbers_of_the_paper_beside_ours(row):
    text = printed(row, "cifar10", "cifar10")
    for number in ("12.82", "12.16", "0.66", "11.18 +- 0.11", "10.81 +- 0.14", "0.37"):
        assert number in text
    for words in ("other size", "ours - published", "perturbed", "hidden layer / 2"):
        assert words in text
    assert "different images" in text
    assert "from memory" not in text
    hundred = printed(row, "cifar100", "cifar100")
    assert "37.22" in hundred
    assert "from memory" in hundred
    for part in images.NAMES:
        made_up = printed(row, part, "multi_view")
        for words in ("published", "12.82", "1.19", "from memory"):
            assert words not in made_up
