"""Training groups of nets on images: shared order, best states, progress, cost."""

from dataclasses import replace

import pytest
import torch
from test_image_contrast import images

from multiview import stream
from multiview.data.splits import split
from multiview.models import FastNet, FourStageResNet, ResNet, WideResNet
from multiview.runs.experiment import Context
from multiview.train.compute import outputs_of
from multiview.train.loop import target_loss
from multiview.train.optim import OptimSpec
from theory_experiments._image_nets import Fast, Recipe, Residual, train_group

SPLITS = split(images(), 30, 30, 60, stream(0, "split"))
RECIPE = Recipe(
    optim=OptimSpec(epochs=4, batch_size=10, learning_rate=0.2),
    flip=False,  # the classes' corners would change places
    padding=1,
    cutout=2,
    together=2,
)


def nets(n: int = 3):
    spec = Residual(depth=8)
    return [spec.build(SPLITS, stream(0, "init", i)) for i in range(n)]


def train(recipe: Recipe = RECIPE, n: int = 3, context: Context | None = None, seed: int = 0):
    loss = target_loss(SPLITS.train_labels)
    return train_group(
        "members",
        nets(n),
        recipe,
        SPLITS,
        lambda part: loss,
        seed=seed,
        context=context or Context(),
    )


def test_a_net_is_the_same_whatever_stands_beside_it():
    together, alone = train(), train(replace(RECIPE, together=1))
    torch.testing.assert_close(together.test, alone.test, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(together.best_test, alone.best_test, rtol=1e-4, atol=1e-4)
    assert together.best_epochs == alone.best_epochs
    assert not train(seed=1).test.equal(together.test)  # another order of images


def test_outputs_are_those_of_the_nets_as_they_are_left():
    group = train()
    assert group.test.shape == (60, 3, 3)
    assert group.train.shape == (30, 3, 3)
    for i, net in enumerate(group.nets):
        expected = outputs_of(net, SPLITS.test, compute=RECIPE.compute)
        torch.testing.assert_close(group.test[:, i], expected)
        if group.best_epochs[i] == RECIPE.optim.epochs - 1:
            torch.testing.assert_close(group.best_test[:, i], expected)
        else:
            assert not torch.allclose(group.best_test[:, i], expected)
    assert min(group.best_epochs) < RECIPE.optim.epochs - 1  # some other epoch was better


def test_the_loss_is_asked_for_by_the_nets_in_each_part():
    asked = []
    loss = target_loss(SPLITS.train_labels)

    def loss_of(part):
        asked.append((part.start, part.stop))
        return loss

    train_group("x", nets(), RECIPE, SPLITS, loss_of, seed=0, context=Context())
    assert asked == [(0, 2), (2, 3)]


def test_progress_moves_through_its_span():
    heard: list[float] = []
    context = Context(progress=lambda message, fraction: heard.append(fraction))
    loss = target_loss(SPLITS.train_labels)
    settings = {"seed": 0, "context": context, "span": (0.2, 0.6)}
    train_group("x", nets(), RECIPE, SPLITS, lambda part: loss, **settings)
    assert heard == sorted(heard)
    assert heard[0] > 0.2
    assert heard[-1] == pytest.approx(0.6)


def test_finished_nets_are_read_from_the_cells_scratch(tmp_path):
    context = Context(scratch=tmp_path / "scratch")
    first = train(context=context)
    files = sorted(path.name for path in (tmp_path / "scratch").iterdir())
    assert files == ["members-0.pt", "members-2.pt"]

    def refuse(part):
        def loss(outputs, inputs, rows):
            raise AssertionError("trained again")

        return loss

    settings = {"seed": 0, "context": context}
    again = train_group("members", nets(), RECIPE, SPLITS, refuse, **settings)
    assert again.test.equal(first.test)
    assert again.best_test.equal(first.best_test)


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        (Fast(widths=(4, 4, 4)), FastNet),
        (Residual(depth=8), ResNet),
        (Residual(depth=18), FourStageResNet),
        (Residual(depth=10, widen=2), WideResNet),
    ],
)
def test_each_spec_builds_its_network(spec, kind):
    images = torch.randn(120, 1, 16, 16, generator=stream(0)).split((30, 30, 60))
    larger = replace(SPLITS, train=images[0], validation=images[1], test=images[2])
    net = spec.build(larger, stream(0, "init"))
    assert isinstance(net, kind)
    assert outputs_of(net, larger.train[:2]).shape == (2, 3)
