"""run_images on tiny made-up images."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from multiview import stream
from multiview.data.images import ImageData
from multiview.models import ConvNet
from multiview.ntk import centred_one_hot, gram, plan_gram, predict, solve
from multiview.train.metrics import wrong
from multiview.train.optim import OptimSpec
from theory_experiments._image_contrast import (
    ImageCell,
    SmallNet,
    WideNet,
    expected_cost,
    run_images,
)

CELL = ImageCell(
    data="mnist",
    num_train=24,
    num_test=60,
    members=3,
    net=SmallNet(widths=(3, 4)),
    optim=OptimSpec(epochs=12, batch_size=8),
    flip=False,
    padding=1,
)


def images(per_class: int = 40) -> ImageData:
    """Three classes of noise, each a little brighter in its own corner."""
    n = 3 * per_class
    labels = torch.arange(n) % 3
    pixels = torch.randint(0, 180, (2, n, 1, 8, 8), generator=stream(0, "noise"))
    for label in range(3):
        row, column = divmod(label, 2)
        own = (slice(None), labels == label, 0)
        pixels[(*own, slice(4 * row, 4 * row + 4), slice(4 * column, 4 * column + 4))] += 70
    return ImageData(
        name="mnist",
        class_names=("a", "b", "c"),
        train_images=pixels[0].to(torch.uint8),
        train_labels=labels,
        test_images=pixels[1].to(torch.uint8),
        test_labels=labels,
    )


@pytest.fixture(scope="module")
def row():
    return run_images(CELL, images())


def test_every_number_is_there_and_models_beat_chance(row):
    for prefix in ("", "kernel_"):
        for method in ("member", "ensemble_2", "ensemble", "summed", "distilled"):
            assert 0 <= row[prefix + method]["error"] < 2 / 3, (prefix, method)
        member, each = row[f"{prefix}member"], row[f"{prefix}member"]["error_each"]
        assert len(each) == row[f"{prefix}ensemble"]["size"] == 3
        assert member["error"] == pytest.approx(sum(each) / 3)
        assert len(set(each)) > 1  # the members differ
    assert row["kernel_first"]["error"] == row["kernel_member"]["error_each"][0]
    assert 0 <= row["ensemble_probabilities"]["error"] < 2 / 3
    assert row["member"]["train"] < row["member"]["error"]


def test_the_same_cell_gives_the_same_row_and_another_seed_another(row):
    assert run_images(CELL, images()) == row
    assert run_images(replace(CELL, seed=1), images()) != row


def test_kernels_are_those_of_the_untrained_members(row):
    data = images().subset(
        CELL.num_train, CELL.num_test, stream(CELL.seed, "real images", "subset")
    )
    train, test = data.standardised()
    targets = centred_one_hot(data.train_labels, 3)
    for member in range(3):
        generator = stream(CELL.seed, "real images", "init", "member", member)
        net = ConvNet(image_shape=(1, 8, 8), num_classes=3, widths=(3, 4), generator=generator)
        solution = solve(gram(net, train, outputs="trace"), targets, CELL.ridge)
        outputs = predict(gram(net, test, train, outputs="trace"), solution)
        error = wrong(outputs, data.test_labels).double().mean().item()
        assert row["kernel_member"]["error_each"][member] == pytest.approx(error, abs=1e-9)


def test_progress_only_moves_forward_and_ends_at_one():
    heard: list[float] = []
    run_images(CELL, images(), lambda message, fraction: heard.append(fraction))
    assert heard == sorted(heard)
    assert heard[0] == 0
    assert heard[-1] == pytest.approx(1)


def test_other_images_than_the_cells_are_refused():
    with pytest.raises(ValueError, match="data='cifar10', but the images are mnist"):
        run_images(replace(CELL, data="cifar10"), images())


def test_one_member_is_no_ensemble():
    with pytest.raises(ValueError, match="members=1"):
        replace(CELL, members=1)


def test_a_wide_network_takes_the_small_ones_place():
    cell = replace(CELL, net=WideNet(depth=10, widen=1), members=2, optim=OptimSpec(epochs=1))
    row = run_images(cell, images())
    for method in ("member", "kernel_member"):
        assert len(row[method]["error_each"]) == 2
    net = cell.net.build(images(), stream(0))
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in net.modules())


@pytest.mark.parametrize("net", [SmallNet(widths=(3, 4)), WideNet(depth=10, widen=1)])
def test_cost_counts_the_passes_of_all_trainings(net):
    cell, data = replace(CELL, net=net), images()
    built = net.build(data, stream(0))
    with FlopCounterMode(display=False) as counter:
        built(torch.zeros(1, 1, 8, 8))
    # Of 3 members, a sum of 3 and a student, each pass forward and twice as much backward; and
    # forward passes of the 3 teachers.
    passes = 3 * (3 + 3 + 1) + 3
    cost = expected_cost(cell, data)
    assert cost.training == 12 * 24 * counter.get_total_flops() * passes
    train = plan_gram(built, torch.zeros(1, 1, 8, 8), 24, outputs="trace").flop
    test = plan_gram(built, torch.zeros(1, 1, 8, 8), 60, 24, outputs="trace").flop
    assert cost.kernels == 3 * (train + test)
    assert cost.solves == pytest.approx(5 * 24**3 / 3)
    assert cost.memory == 8 * (5 * 24 * 24 + 3 * 60 * 24)
