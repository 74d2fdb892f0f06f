"""l0_gates on tiny made-up images: its trainings, what a row holds, figure and tables."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from recorded_cost import record_cost
from theory_experiments._l0_published import multiply_adds
from tidy_tables import rows_as_table, texts, with_measures

from figures import l0_gates as figure
from figures import style
from multiview import stream
from multiview.data.images import ImageData
from multiview.data.splits import split
from multiview.data.stand_ins import multi_view_images, view_textures
from multiview.runs.experiment import Context
from multiview.runs.find import find
from multiview.runs.script import run_script
from theory_experiments import _l0_images as parts
from theory_experiments import l0_gates as script
from theory_experiments._image_nets import Dense

SMOKE = script.smoke()
CELL = replace(
    SMOKE["mnist_mlp"],
    net=Dense(widths=(8, 6)),
    num_train=40,
    num_validation=10,
    num_test=20,
    equal=0.2,
    sweep=(0.03,),
    separate=(0.5, 0.1, 0.1),
    recipe=replace(
        SMOKE["mnist_mlp"].recipe,
        optim=replace(script.ADAM, learning_rate=0.03, epochs=32, batch_size=10),
    ),
    averaging=0.9,
    plain_rate=None,
)


def images() -> ImageData:
    textures = view_textures(10, stream(0, "textures"))
    return multi_view_images(textures, 50, 20, stream(0, "images"))


@pytest.fixture(scope="module")
def calls():
    """Every training of a row: its net before, settings; and the row."""
    noted = []

    with pytest.MonkeyPatch.context() as patch:
        for name in ("fit", "sparsify"):
            plain = getattr(parts, name)

            def note(net, *args, plain=plain, name=name, **settings):
                net_of = getattr(net, "net", net)  # of what averages its weights
                start = torch.cat([each.detach().flatten() for each in net_of.parameters()])
                noted.append((name, start, net_of, settings))
                return plain(net, *args, **settings)

            patch.setattr(parts, name, note)
        row = parts.run_l0_images(CELL, images(), Context())
    return noted, row


def test_a_row_holds_together(calls):
    _, row = calls
    for who in ("equal", "separate", "dense", "magnitude", "small"):
        assert 0 <= row[who]["error"] <= 1
        assert 0 < row[who]["flops"] <= row["dense"]["flops"]
    assert parts.lambdas(CELL) == {0.03: "lambda_0.03", 0.2: "equal"}
    assert (row["lambda_0.03"]["strength"], row["equal"]["strength"]) == (0.03, 0.2)
    assert set(row["lambda_0.03"]) == set(row["equal"])
    equal = row["equal"]
    assert equal["flops"] < row["lambda_0.03"]["flops"]
    assert equal["parity"] <= 1e-5
    assert equal["flops"] == 2 * multiply_adds("mnist_mlp", equal["units"])
    # Of the same size; the one pruned by norm may lack what nobody reads any more.
    assert row["small"]["flops"] == equal["flops"] >= row["magnitude"]["flops"]
    assert row["data"] == {"train_images": 40, "steps": 32 * 4}
    for who in ("cliff_1", "cliff_100", "target_0.3"):
        assert 0 < row[who]["expected_share"] < 1
        assert 0 <= row[who]["error"] <= 1
    assert (row["cliff_100"]["strength"], row["target_0.3"]["target"]) == (100, 0.3)


def test_a_killed_row_goes_on_from_checkpoints_of_all_its_trainings(calls, tmp_path, monkeypatch):
    noted, row = calls
    context = Context(scratch=tmp_path)
    first = parts.run_l0_images(CELL, images(), context)
    assert len(list(tmp_path.rglob("*.pt"))) == len(noted)
    assert not [each for each in tmp_path.iterdir() if each.is_dir()]

    def step(*args):
        raise AssertionError("trained again")

    monkeypatch.setattr("multiview.train.training.Training.take_step", step)
    assert parts.run_l0_images(CELL, images(), context) == first == row


def test_nets_without_gates_are_tested_as_averages_too(monkeypatch):
    splits = split(images(), 40, 10, 20, stream(0))
    made = []

    class Noted(parts.Averaged):
        def __init__(self, net, decay):
            super().__init__(net, decay)
            made.append((self, decay))

    retaken = []

    def retake(net, batches):
        retaken.append((net, [each.clone() for each in net.parameters()], len(list(batches))))

    monkeypatch.setattr(parts, "Averaged", Noted)
    monkeypatch.setattr(parts, "recalibrate_batchnorm", retake)
    cell = replace(SMOKE["cifar10"], averaging=0.5)
    work = parts.Work(cell=cell, splits=splits, context=Context())
    net = work.trained("dense", work.plain(), cell.recipe.optim)
    ((averaged, decay),) = made
    ((of, weights, batches),) = retaken
    assert (decay, batches) == (0.5, 1)
    assert of is net
    assert not net.training
    average = list(averaged.average.module.parameters())
    assert all(each.equal(other) for each, other in zip(weights, average, strict=True))


def test_each_training_has_the_stated_start_and_settings(calls):
    noted, _ = calls
    names = [name for name, *_ in noted]
    assert names == ["sparsify"] * 3 + ["fit"] * 3 + ["sparsify"] * 3
    start = noted[0][1]
    assert all(each.equal(start) for _, each, *_ in noted[:3])
    strengths = [settings["penalty"].strength for *_, settings in noted[:3]]
    assert strengths == [0.2, 0.03, (0.5, 0.1, 0.1)]
    assert all(settings["penalty"].averaging == 0.9 for *_, settings in noted[:3])
    dense, tuned, small = noted[3:6]
    assert len(dense[1]) == len(start) - 3072 - 8 - 6  # the gates'
    assert tuned[3]["spec"].epochs == 8
    bias = list(dense[2].parameters())[-1].detach()
    assert tuned[1][-len(bias) :].equal(bias)  # the trained net's
    assert not small[1][-len(bias) :].equal(bias)
    assert small[3]["spec"].epochs == dense[3]["spec"].epochs == 32
    assert len(tuned[1]) <= len(small[1]) < len(dense[1])
    cliff = noted[6:]
    assert [settings["penalty"].strength for *_, settings in cliff[:2]] == [1.0, 100.0]
    assert cliff[2][3]["penalty"].target == 0.3


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"sweep": (0.03, 0.2)}, "equal=0.2"),
        ({"tuning": 0.0}, "tuning=0.0"),
    ],
)
def test_bad_cells_are_refused(change, says):
    with pytest.raises(ValueError, match=says):
        replace(CELL, **change)


def test_bad_cliffs_are_refused():
    for strengths in ((1.0,), (2.0, 1.0), (1.0, 1.0)):
        with pytest.raises(ValueError, match="strengths="):
            parts.Cliff(strengths=strengths)
    with pytest.raises(ValueError, match="images=0"):
        parts.Cliff(images=0)


@pytest.mark.parametrize("part", ["all", "mnist_mlp", "lenet", "cifar10", "synthetic"])
@pytest.mark.parametrize("preset", list(script.PRESETS))
def test_every_preset_has_cells_that_differ_in_the_seed_alone(preset, part):
    cells = find("l0_gates").cells(preset, script.Options(part=part), seeds=2)
    half = len(cells) // 2
    assert half == ((5 if preset == "paper" else 4) if part == "all" else 1)
    seed = 0 if preset == "smoke" else 10
    assert {cell.seed for cell in cells[:half]} == {seed}
    assert [replace(cell, seed=seed + 1) for cell in cells[:half]] == cells[half:]
    for cell in cells[:half]:
        if cell.part == "mnist_mlp":
            assert len(cell.separate) == 3
            assert cell.num_validation / 10 <= 5421  # of MNIST's smallest class


def test_cifar100_is_of_the_paper_alone():
    options = script.Options(part="cifar100")
    with pytest.raises(ValueError, match="another --preset"):
        find("l0_gates").cells("laptop", options)
    assert find("l0_gates").cells("paper", options, seeds=1)[0].data == "cifar100"


def test_the_papers_settings():
    cells = script.paper()
    optim = cells["mnist_mlp"].recipe.optim
    assert {optim.rate(step, 10) for step in range(10)} == {1e-3}
    assert (optim.epochs, optim.batch_size, optim.weight_decay) == (200, 100, 0)
    assert cells["lenet"].separate == (10, 0.5, 0.1, 10)
    rates = [cells["cifar10"].recipe.optim.rate(epoch, 200) for epoch in (0, 60, 120, 160)]
    assert rates == pytest.approx([0.1, 0.02, 0.004, 0.0008])
    assert (cells["cifar10"].equal, cells["cifar10"].sweep) == (0.001, (0.002,))


def test_images_without_a_directory_are_refused_before_any_work(tmp_path, capfd):
    assert run_script(find("l0_gates"), ["--out", str(tmp_path)]) == 2
    error = capfd.readouterr().err
    assert "--data-dir" in error
    assert "--part synthetic" in error


def test_a_smoke_run_is_drawn(tmp_path):
    args = ["--preset", "smoke", "--seeds", "1", "--part", "cifar10", "--out", str(tmp_path)]
    assert run_script(find("l0_gates"), args) == 0
    assert (tmp_path / "l0_gates" / "l0_gates-smoke-part_cifar10.png").stat().st_size


def table(*rows, **cell) -> pd.DataFrame:
    """The derived table of rows as the store returns them: the cell's fields beside the results."""
    fields = {
        "part": "mnist_mlp",
        "data": "mnist",
        "equal": 0.1,
        "separate": (0.1, 0.3, 1.0),
        "recipe.optim.epochs": 16,
        "recipe.optim.learning_rate": 0.01,
        "cliff.start": 0.1,
    }
    return script.derived(rows_as_table(*rows, **(fields | cell)))


def test_cifar_is_drawn_beside_mnist(calls):
    _, row = calls
    both = [table(row, row, part=part) for part in ("mnist_mlp", "cifar10")]
    drawn = figure.draw(pd.concat(both, ignore_index=True))
    titles = [axes.get_title(loc="left") for axes in drawn.axes]
    (panel,) = [axes for axes in drawn.axes if axes.get_title(loc="left").endswith("FLOPs")]
    assert panel.get_yscale() == "symlog"
    names = panel.get_legend_handles_labels()[1]
    assert {"784-300-100", "WRN, CIFAR-10"} <= set(names)
    assert "n = 2" in panel.get_ylabel()
    assert len(titles) == 5


def test_panels_begin_with_a_and_dashes_are_the_published_numbers(calls, monkeypatch):
    letters = []
    monkeypatch.setattr(style, "title", lambda axes, letter, text: letters.append(letter))
    _, row = calls
    drawn = figure.draw(table(row, row))
    assert letters == list("abcd")
    lines = [each for each in drawn.axes[0].get_lines() if each.get_linestyle() == "--"]
    heights = [np.asarray(each.get_ydata(), float).tolist() for each in lines]
    assert [each for each in heights if each] == [[0.014] * 2]  # an empty one is in the legend
    _, labels = drawn.axes[0].get_legend_handles_labels()
    assert labels == ["published\n(784-300-100: from memory)"]


def test_the_tables_show_published_numbers_beside_ours(calls):
    _, row = calls
    shown = text(table(row, row))
    for words in (
        "219-214-100",
        "266-88-33",
        "(from memory)",
        "784-300-100",
        "16 epochs",
        "less the published",
        "(not known: ours are others)",
        "(1.6 as quoted by RigL)",
        "asked for 0.3",
    ):
        assert words in shown
    lenet = with_measures(row, "equal", units=[20, 25, 45, 462])
    lenet = with_measures(lenet, "separate", units=[9, 18, 65, 25])
    shown = text(table(lenet, lenet, part="lenet"))
    for words in ("1.3M printed", "403K printed", "multiply-adds", "2.29M", "20-25-45-462"):
        assert words in shown
    assert "(from memory)" in shown  # two of its rows
    assert "likely the paper's" in shown
    wide = text(table(row, row, part="cifar100"))
    assert "21.18 (from memory) (elsewhere printed of WRN-40-4)" in wide
    made_up = text(table(row, row, data="multi_view"))
    assert "219-214-100" not in made_up
    assert "RigL" not in made_up


def test_what_is_published_stands_only_beside_the_same_net(calls):
    _, row = calls
    lines = table(row, row)
    error = lines.set_index("method")["published_error"].dropna()
    assert set(error.index) == {"equal"}  # of separate the paper's lambdas are not known
    assert error.tolist() == [0.014] * 2
    assert set(table(row, part="lenet").set_index("method")["published_error"].dropna().index) == {
        "equal",
        "separate",
    }
    assert not list(table(row, data="multi_view")["published_error"].dropna())
    assert not list(table(row, part="cifar10")["published_error"].dropna())


def text(lines: pd.DataFrame) -> str:
    return texts(find("l0_gates").tables(lines), lines)


def test_cost_counts_every_training(monkeypatch):
    said = record_cost(monkeypatch, images())
    cell = replace(CELL, data="mnist", cliff=None)
    assert script.cost([cell], Context()) is not None
    few = split(images(), 10, 10, 10, stream(0))
    forward = script.cost_of(cell.net.build(few, stream(0)), few.train[0]).forward
    assert said["flop"] == 3 * forward * 40 * 32 * 4
    script.cost([replace(cell, separate=None, sweep=())], Context())
    assert said["flop"] == 3 * forward * 40 * 32 * 2
    assert script.cost([replace(cell, data="multi_view")], Context()) is None
