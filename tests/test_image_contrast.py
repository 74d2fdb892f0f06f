"""The image part of ensemble_vs_ntk: a row on made-up images, its settings and its cost."""

from dataclasses import dataclass, replace
from typing import Any

import pytest
from corner_images import images
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from multiview.bench import Cell, check, run
from multiview.bench.images import ImageSetting
from multiview.bench.modules import ModuleBench
from multiview.bench.nets import Conv, Residual
from multiview.bench.recipe import Recipe
from multiview.data.images import ImageData
from multiview.ntk import centred_one_hot, gram, plan_gram, predict, solve
from multiview.runs.experiment import Context
from multiview.train import outputs_of
from multiview.train.metrics import wrong
from theory_experiments.views import image_contrast
from theory_experiments.views.fixed_features import cost, kernel_cost, networks_cost


@dataclass(frozen=True, kw_only=True)
class Corners(ImageSetting):
    """A setting of images that need no file."""

    def images(self, seed: int, context: Any) -> ImageData:
        """The same for every seed, of which each draws some."""
        return images()


RIDGE = 0.03
TINY = Corners(num_train=24, num_validation=0, num_test=60, members=3, net=Conv(widths=(3, 4)))
PLAIN = image_contrast.MNIST.recipe.with_optim(epochs=24, batch_size=8)
SETTING = image_contrast.trained(TINY, replace(PLAIN, padding=1))
CELL = image_contrast.contrast(SETTING, RIDGE)


@pytest.fixture(scope="module")
def row():
    return run(CELL, Context())


def test_every_number_is_there_and_models_beat_chance(row):
    sizes = {"member": 1, "ensemble_2": 2, "ensemble": 3}
    for prefix in ("", "kernel_"):
        for method in (*sizes, "summed", "distilled"):
            assert 0 <= row[prefix + method]["error"] < 2 / 3, (prefix, method)
            assert row[prefix + method].get("size") == sizes.get(method)
    for each in (row["member"]["each"], row["kernel_member"]["error_each"]):
        assert len(each) == 3
        assert len(set(each)) > 1  # the members differ
    assert row["member"]["error"] == pytest.approx(sum(row["member"]["each"]) / 3)
    assert row["kernel_first"]["error"] == row["kernel_member"]["error_each"][0]
    assert 0 <= row["ensemble_probabilities"]["error"] < 2 / 3
    assert row["kernel_member"]["jitter"] == 0


def test_the_same_cell_gives_the_same_row_and_another_seed_another(row):
    assert run(CELL, Context()) == row
    assert run(replace(CELL, seed=1), Context()) != row


def test_kernels_are_those_of_the_untrained_members(row):
    bench = SETTING.bench(0, Context())
    assert isinstance(bench, ModuleBench)
    train, test = bench.inputs, bench.samples.test
    targets = centred_one_hot(bench.labels, 3)
    start = bench.group("members", 3)
    for member in range(3):
        net = bench.member(start, member)
        solution = solve(gram(net, train, outputs="trace"), targets, RIDGE)
        outputs = predict(gram(net, test, train, outputs="trace"), solution)
        error = wrong(outputs, bench.samples.test_labels).double().mean().item()
        assert row["kernel_member"]["error_each"][member] == pytest.approx(error, abs=1e-9)


def test_members_are_measured_on_the_images_that_they_were_trained_on_as_they_are(row):
    bench = SETTING.bench(0, Context())
    fitted = bench.trained(CELL.methods["member"]).logits(bench.inputs)
    expected = wrong(fitted, bench.labels).double().mean().item()
    assert row["member"]["train"] == pytest.approx(expected, abs=1e-9)
    assert expected < 0.4


@pytest.mark.parametrize("data", ["cifar10", "mnist"])
@pytest.mark.parametrize("preset", ["smoke", "laptop", "paper"])
def test_students_differ_from_members_in_their_rate_alone(data, preset):
    setting = image_contrast.cell(data, preset).setting
    assert setting.data == data
    assert setting.num_validation == 0
    recipe: Recipe = setting.recipe
    assert setting.students == recipe.with_optim(learning_rate=0.02)
    assert recipe.flip == (data == "cifar10")  # a digit's mirror image is no digit
    assert not recipe.compute.bfloat16


def test_wide_networks_of_the_paper_preset_have_no_batchnorm():
    net = image_contrast.cell("cifar10", "paper").setting.net
    bench = replace(SETTING, net=replace(net, depth=10, widen=1)).bench(0, Context())
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in bench.one("members").modules())


def test_more_images_than_kernels_can_have_are_refused():
    large: Cell = CELL.changed(num_train=20_000)
    with pytest.raises(ValueError, match=r"kernel_member.*num_train=20000.*use fewer samples"):
        check([large], Context())


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("net", [Conv(widths=(3, 4)), Residual(depth=10, widen=1, norm="group")])
def test_cost_counts_the_passes_of_all_trainings(net, padding):
    tiny = replace(TINY, net=net)
    setting = image_contrast.trained(tiny, replace(PLAIN, padding=padding))
    cell, bench = image_contrast.contrast(setting, RIDGE), setting.bench(0, Context())
    built, image = bench.one("members"), bench.inputs[:1]
    with FlopCounterMode(display=False) as counter:
        outputs_of(built, image)
    # Of 3 members, a sum of 3 and a student, each pass forward and twice as much backward; and
    # forward passes of the 3 teachers, once where they see the images as they are.
    passes = 24 * 3 * (3 + 3 + 1) + (24 if padding else 1) * 3
    training = networks_cost(setting, cell, Context())
    assert training == 24 * counter.get_total_flops() * passes
    kernels, solves, memory = kernel_cost(setting, cell, Context())
    train = plan_gram(built, image, 24, outputs="trace").flop
    test = plan_gram(built, image, 60, 24, outputs="trace").flop
    assert kernels == 3 * (train + test)
    assert solves == pytest.approx(5 * 24**3 / 3)
    assert memory == 8 * (4 * 24 * (24 + 60) + 2 * 24**2)


def test_cost_of_several_cells_is_said_in_one_line():
    line = cost([CELL] * 2, Context())
    assert line is not None
    assert line.text.startswith("Expected for 2 cells: ")
    assert f"{2 * networks_cost(SETTING, CELL, Context()):.1e} of training" in line.text
