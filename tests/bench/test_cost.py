"""cost: what is counted of networks, of a cell's methods and of their teachers."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from multiview import stream
from multiview.bench import Cell
from multiview.bench.cost import CountingBench, cost, cost_of, count, time_and_memory
from multiview.bench.images import ImageSetting
from multiview.bench.nets import Fast, Residual, WidePair
from multiview.bench.recipe import fast_recipe, plain_recipe
from multiview.methods import Ensemble, Member, Members, Rocket, Student, Summed
from multiview.models import ResNet
from multiview.runs.experiment import Context

SETTING = ImageSetting(
    data="multi_view",
    num_train=200,
    num_validation=100,
    num_test=100,
    members=3,
    net=Fast(widths=(4, 4, 4)),
    recipe=replace(fast_recipe(epochs=4), together=2),
    students=replace(fast_recipe(epochs=5), together=2),
)


def test_cost_of_a_network_counts_products_and_what_is_kept():
    net = ResNet(depth=8, num_classes=3, image_shape=(1, 16, 16), generator=stream(0))
    image = torch.randn(1, 16, 16, generator=stream(1))
    found = cost_of(net, image)
    with FlopCounterMode(display=False) as counter:
        net.eval()(image[None])
    assert found.forward == counter.get_total_flops()
    weights = sum(p.numel() for p in net.parameters())
    assert 4 * weights < found.weights < 4 * weights * 1.1  # and the statistics of norms
    # Inputs of every convolution, at least; a few times as much with norms and ReLUs.
    least = 4 * (256 * (1 + 3 * 16) + 64 * 3 * 32 + 16 * 2 * 64)
    assert least < found.activations < 6 * least


def test_training_of_all_methods_and_the_passes_of_their_teachers_are_counted():
    student = Student(number=3)
    methods = {"member": Members(), "summed": Summed(), "student": student, "mean": Ensemble()}
    found = count(SETTING, methods.values(), Context())
    bench = SETTING.bench(0, Context())
    each = cost_of(bench.one("any"), bench.inputs[0])
    labels = 4 * 3 * (3 + 3) * 200  # epochs, a pass and its way back, nets, images
    taught = 5 * (3 * 3 + 2 * 3) * 200  # three teachers for each of the two parts of the students
    assert found.flop == (labels + taught) * each.forward
    assert found.weights == 9 * each.weights
    held = 50 * each.activations + 2 * each.weights
    assert 2 * held < found.at_once <= 3 * held  # the sum's networks share their inputs


def test_teachers_of_images_as_they_are_look_once():
    plain = replace(SETTING, students=replace(SETTING.students, flip=False, padding=0))
    methods = [Student(teacher=Member())]
    difference = count(SETTING, methods, Context()).flop - count(plain, methods, Context()).flop
    bench = SETTING.bench(0, Context())
    forward = cost_of(bench.one("any"), bench.inputs[0]).forward
    assert difference == (5 - 1) * 200 * forward


def test_methods_that_train_by_themselves_are_not_trained_for_long():
    bench = CountingBench(SETTING.bench(0, Context()), num_train=1000)
    assert bench.training()["spec"].epochs == 1
    assert bench.counted.flop > 0


def test_only_real_images_cost(monkeypatch, tmp_path):
    cell = Cell(setting=SETTING, methods={"member": Members()})
    assert cost([cell], Context()) is None
    made_up = SETTING.images(0, Context())
    monkeypatch.setattr(ImageSetting, "images", lambda *args: made_up)
    real = replace(cell, setting=replace(SETTING, data="cifar10", net=Residual(depth=8)))
    one, two = (cost(cells, Context()) for cells in ([real], [real, replace(real, seed=1)]))
    assert one is not None
    assert two is not None
    flop = [float(each.text.split(" FLOP of")[0].split()[-1]) for each in (one, two)]
    assert flop[1] == pytest.approx(2 * flop[0], rel=0.05)
    assert one.memory == two.memory
    net = real.setting.bench(0, Context()).one("members", 0)
    members = SETTING.members * sum(each.numel() for each in net.parameters())
    assert two.disk == 2 * one.disk
    assert one.disk > 4 * members  # bytes of float32 weights: all are stored, and more at once


def test_samples_are_counted_with_what_augmentation_makes_of_them():
    plain = replace(SETTING, recipe=plain_recipe(1), students=plain_recipe(1))
    sizes = {}
    for name, each in (("plain", plain), ("augmented", SETTING)):
        setting = replace(each, num_train=1000, num_validation=100, num_test=200)
        image = setting.bench(0, Context()).inputs[0].numel() * 4
        sizes[name] = count(setting, [Members()], Context()).samples / image
    assert sizes == {"plain": 1300, "augmented": 3300}


def test_the_message_says_time_and_memory():
    message = time_and_memory(3.6e6 * 1e9, 2.5e9, 3, "cpu", bfloat16=False)
    assert "3 cells: 3.6e+15 FLOP" in message
    assert "about 2.5 GB" in message
    assert "of float32 products here" in message


def test_boosters_are_counted_beside_their_light_network():
    pair = WidePair(depth=10, booster_depth=16)
    setting = replace(SETTING, shrink=4, net=pair)
    found = count(setting, [Rocket(shared=3)], Context())
    bench: Any = setting.bench(0, Context())
    light, booster = pair.pair(bench.samples, 0, stream(0))
    image = torch.randn(3, 8, 8, generator=stream(1))
    each = sum(cost_of(net, image).forward for net in (light, booster))
    assert found.flop == 5 * 3 * 200 * each
