"""MaskMeans: masks of a network one by one, errors of groups of them, and variances."""

import pytest
import torch

from multiview import stream
from multiview.bench import run
from multiview.bench.cell import Cell
from multiview.bench.images import ImageSetting
from multiview.bench.nets import Quick
from multiview.bench.recipe import plain_recipe
from multiview.distill import averaged_logits
from multiview.measures import MaskMeans
from multiview.measures import masks as measures
from multiview.methods import Dropout, MaskStudent
from multiview.models import QuickNet
from multiview.runs.experiment import Context
from multiview.train import ComputeSpec
from multiview.train.stochastic import DropoutSwitch


def net() -> QuickNet:
    return QuickNet(image_shape=(3, 8, 8), num_classes=3, generator=stream(0))


def test_masks_of_a_net_are_those_of_the_whole_net(monkeypatch):
    """Computing what comes before dropout once changes nothing: the same mean, over many masks."""
    x = torch.randn(4, 3, 8, 8, generator=stream(0, "x"))
    each = measures.by_masks(net(), x, 1000, stream(1), ComputeSpec())
    assert each.shape == (4, 1000, 3)
    with DropoutSwitch(on=True), torch.no_grad():
        own = net()(x.repeat_interleave(1000, 0)).unflatten(0, (4, 1000))
    gap = averaged_logits(each).softmax(1) - averaged_logits(own).softmax(1)
    assert gap.abs().max() < 0.03
    assert each[:, 0].unique(dim=0).shape[0] == 4
    monkeypatch.setattr(measures, "ROWS", 20)  # some inputs at a time, of masks of their own
    alike = measures.by_masks(net(), x[:1].repeat(5, 1, 1, 1), 8, stream(1), ComputeSpec())
    assert alike.shape == (5, 8, 3)
    assert not alike[0].equal(alike[2])


def test_errors_of_groups_of_masks():
    right, bad = [3.0, 0.0], [0.0, 1.0]
    each = torch.tensor([[right, bad, bad, bad, right]])  # one sample, five masks
    labels = torch.tensor([0])
    assert measures.mean_error(each, 1, labels) == pytest.approx(0.6)
    assert measures.mean_error(each, 2, labels) == 0.5  # the last mask has no partner
    assert measures.mean_error(each, 5, labels) == 0


def test_variance_of_two_draws_estimates_that_of_one():
    generator = stream(0)
    base = torch.tensor([0.2, 0.3, 0.5])
    noise = [0.02 * torch.randn(5000, 3, generator=generator) for _ in range(2)]
    noise = [each - each.mean(1, keepdim=True) for each in noise]
    expected = 0.02**2 * 2  # in two dimensions: probabilities sum to 1
    first, second = ((base + each).log() for each in noise)
    assert measures.spread(first, second) == pytest.approx(expected, rel=0.05)


def test_a_row_holds_means_over_masks_beside_predictors():
    recipe = plain_recipe(epochs=1, batch_size=10)
    setting = ImageSetting(
        data="multi_view",
        num_train=20,
        num_validation=10,
        num_test=20,
        net=Quick(),
        recipe=recipe,
        students=recipe,
    )
    teacher = Dropout(rate=None)
    methods = {
        "standard": teacher,
        "one": MaskStudent(of=teacher),
        "other": MaskStudent(of=teacher, draw=1),
    }
    measure = MaskMeans(numbers=(1, 20), alike=("one", "other"))
    row = run(Cell(setting=setting, methods=methods, measures=(measure,)), Context())
    assert set(row) == {*methods, "masks_1", "masks_20"}
    assert row["masks_20"]["variance"] < row["masks_1"]["variance"]
    assert [row[f"masks_{n}"]["masks"] for n in (1, 20)] == [1, 20]
    assert row["masks_20"]["divergence"] > 0
    assert "divergence" not in row["masks_1"]
    assert row["one"]["variance"] > 0
    assert "variance" not in row["other"]
    assert all(row[name]["cross_entropy"] > 0 for name in methods)
