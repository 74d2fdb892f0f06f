"""Kernel descent against the linearised network that is trained, its laws and its limits."""

import pytest
import torch
from closeness import close
from hypothesis import given
from hypothesis import strategies as st
from ntk_strategies import ByProducts, as_full, kernels_with_targets, randomised
from oracles_ntk import explicit_gram, linearised, trained_linearised
from torch import nn
from unchecked import unchecked

from multiview import stream
from multiview.ntk import centred_one_hot, descend, gradient_flow, predict
from multiview.train import Diverged

LOSSES = ("cross_entropy", "squared")


def network(*names):
    layers = [nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, 3)]
    return randomised(nn.Sequential(*layers), stream(0, "network", *names))


def data():
    return tuple(torch.randn(n, 4, generator=stream(0, "data", n)).double() for n in (8, 6))


def trained(loss, targets):
    """The same loss, in torch's words."""
    if loss == "squared":
        return lambda f: nn.functional.mse_loss(f, targets, reduction="sum") / (2 * len(targets))
    return lambda f: nn.functional.cross_entropy(f, targets)


def taught(kind, x):
    """Labels, or the outputs of another network: as they are, or as probabilities."""
    with torch.no_grad():
        outputs = network("teacher")(x)
    labels = nn.functional.one_hot(torch.arange(len(x)) % 3, 3).double()
    return {"labels": labels, "probabilities": (outputs / 2).softmax(-1), "outputs": outputs}[kind]


@pytest.mark.parametrize(
    ("loss", "kind"),
    [
        ("cross_entropy", "labels"),
        ("cross_entropy", "probabilities"),
        ("squared", "labels"),
        ("squared", "outputs"),
    ],
)
def test_descent_is_training_of_the_linearised_network(loss, kind):
    module, (x, x_test) = network("student"), data()
    model, targets, steps = linearised(module, x, x_test), taught(kind, x), 300
    kernel, cross = explicit_gram(module, x, x, "full"), explicit_gram(module, x_test, x, "full")
    descent = descend(
        kernel, targets, loss=loss, steps=steps, learning_rate=0.05, start=model[2], record_every=1
    )
    train, test = trained_linearised(model, trained(loss, targets), 0.05, steps)
    assert descent.steps == tuple(range(steps + 1))
    close(model[2] + predict(kernel, descent), train)
    close(model[3] + predict(cross, descent), test)
    close(descent.losses, torch.stack([trained(loss, targets)(f) for f in train]))
    assert descent.losses[-1] < 0.9 * descent.losses[0]  # it is training that is compared
    # Outputs that share a layer are coupled: their own kernels alone say something else.
    alone = descend(
        explicit_gram(module, x, x, "per_class"), targets, loss=loss, steps=20, learning_rate=0.05
    )
    assert (alone.dual[-1] - descent.dual[20]).abs().max() > 1e-4


@given(kernels_with_targets(), st.sampled_from(LOSSES))
def test_several_descents_are_each_alone(drawn, loss):
    kernel, cross, targets = drawn
    several = torch.stack([targets, targets.roll(1, 0), -targets]).softmax(-1)
    settings = {"loss": loss, "steps": 5, "learning_rate": 0.3, "record_every": 2}
    at_once = descend(kernel, several, start=targets, **settings)
    outputs = predict(cross, at_once)
    assert at_once.dual.shape == (4, *several.shape)
    assert at_once.losses.shape == (4, 3)
    for s, alone in enumerate(several):
        by_itself = descend(kernel, alone, start=targets, **settings)
        close(at_once.dual[:, s], by_itself.dual)
        close(at_once.losses[:, s], by_itself.losses)
        close(outputs[:, s], predict(cross, by_itself))


@given(kernels_with_targets(layouts=("trace", "per_class")), st.sampled_from(LOSSES))
def test_a_coupled_kernel_with_empty_blocks_is_the_uncoupled_one(drawn, loss):
    kernel, cross, targets = drawn
    k, settings = targets.shape[1], {"loss": loss, "steps": 5, "learning_rate": 0.3}
    uncoupled = descend(kernel, targets.softmax(-1), **settings)
    coupled = descend(as_full(kernel, k), targets.softmax(-1), **settings)
    close(coupled.dual, uncoupled.dual)
    close(predict(as_full(cross, k), coupled), predict(cross, uncoupled))
    offered = descend(ByProducts(kernel), targets.softmax(-1), **settings)
    close(offered.dual, uncoupled.dual)


@given(kernels_with_targets(layouts=("per_class",)))
def test_own_kernels_are_separate_problems_for_the_squared_loss(drawn):
    kernel, _, targets = drawn
    settings = {"loss": "squared", "steps": 5, "learning_rate": 0.3}
    together = descend(kernel, targets, **settings)
    for a, own in enumerate(kernel):
        close(descend(own, targets[:, a : a + 1], **settings).dual, together.dual[..., a : a + 1])


@given(kernels_with_targets(), st.sampled_from(LOSSES), st.floats(0.01, 100))
def test_a_larger_kernel_is_a_larger_learning_rate(drawn, loss, factor):
    kernel, cross, targets = drawn
    small, large = (
        descend(c * kernel, targets.softmax(-1), loss=loss, steps=4, learning_rate=0.2 / c)
        for c in (1, factor)
    )
    close(predict(factor * cross, large), predict(cross, small))
    # The rate that is chosen knows: its predictions are those of the kernel alone.
    small, large = (
        descend(c * kernel, targets.softmax(-1), loss=loss, steps=4) for c in (1, factor)
    )
    assert factor * large.learning_rate == pytest.approx(small.learning_rate)
    close(predict(factor * cross, large), predict(cross, small))


@given(kernels_with_targets(), st.sampled_from(LOSSES))
def test_the_rate_chosen_is_one_over_the_curvature_and_no_loss_rises(drawn, loss):
    kernel, _, targets = drawn
    n, k = targets.shape
    descent = descend(kernel, targets.softmax(-1), loss=loss, steps=30, record_every=1)
    full = kernel if kernel.dim() == 4 else as_full(kernel, k)
    matrix = full.permute(0, 2, 1, 3).reshape(n * k, n * k)
    top = torch.linalg.eigvalsh(matrix)[-1].item()
    curvature = top / n if loss == "squared" else top / (2 * n)
    assert 0.97 <= descent.learning_rate * curvature <= 1
    assert (descent.losses.diff() <= 1e-12).all()


def test_the_first_step_of_a_classifier_is_towards_the_centred_labels():
    labels, kernel = torch.arange(6) % 3, torch.eye(6)
    one_hot = nn.functional.one_hot(labels, 3)
    descent = descend(kernel, one_hot.double(), steps=1, learning_rate=0.6)
    close(descent.dual[0], 0.1 * centred_one_hot(labels, 3))
    assert descent.steps == (1,)


@given(kernels_with_targets(layouts=("per_class", "full"), full_rank=True))
def test_the_squared_loss_ends_at_the_targets(drawn):
    kernel, _, targets = drawn
    identity = torch.eye(len(targets)).double()
    kernel = kernel + (identity if kernel.dim() == 3 else as_full(identity, targets.shape[1]))
    descent = descend(kernel, targets, loss="squared", steps=400)
    close(predict(kernel, descent)[-1], targets, 1e-6)


def test_distillation_ends_at_the_teachers_probabilities():
    module, (x, _) = network("student"), data()
    kernel = explicit_gram(module, x, x, "full") + as_full(torch.eye(8).double(), 3)
    targets = taught("probabilities", x)
    descent = descend(kernel, targets, steps=3000)
    close(predict(kernel, descent)[-1].softmax(-1), targets, 1e-4)


def test_steps_recorded_are_multiples_and_the_last():
    kernel, targets = torch.eye(3), torch.eye(3)
    settings = {"steps": 7, "learning_rate": 0.1}
    every, some, last = (descend(kernel, targets, record_every=r, **settings) for r in (1, 3, None))
    assert some.steps == (0, 3, 6, 7)
    assert last.steps == (7,)
    for descent in (some, last):
        close(descent.dual, every.dual[list(descent.steps)])
        close(descent.losses, every.losses[list(descent.steps)])
    assert (every.dual[0] == 0).all()
    assert descend(kernel, targets, steps=0).steps == (0,)


def test_one_product_a_step_and_inputs_are_left_alone():
    kernel, targets, start = ByProducts(torch.eye(3)), torch.eye(3), torch.ones(3, 3)
    descend(kernel, targets, steps=9, learning_rate=0.1, start=start)
    assert kernel.products == 9
    assert torch.equal(targets, torch.eye(3))
    assert torch.equal(start, torch.ones(3, 3))


def test_divergence_is_said_with_its_step():
    with pytest.raises(Diverged, match=r"step \d+ of 5000 with learning_rate=10"):
        descend(torch.eye(2), torch.ones(2, 1), loss="squared", steps=5000, learning_rate=10.0)


def test_a_trained_descent_agrees_with_flow_where_both_are_known():
    kernel = torch.diag(torch.tensor([1.0, 2.0, 4.0])).double()
    targets = torch.ones(3, 1).double()
    descent = descend(kernel, targets, loss="squared", steps=30, learning_rate=0.3)
    expected = (1 - (1 - 0.1 * kernel.diagonal()) ** 30) / kernel.diagonal()
    close(descent.dual[0, :, 0], expected)
    flow = gradient_flow(kernel, targets, [9.0]).dual[0, :, 0]
    close(flow, -torch.expm1(-3 * kernel.diagonal()) / kernel.diagonal())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loss": "hinge"}, "loss='hinge'"),
        ({"steps": -1}, "steps=-1"),
        ({"record_every": 0}, "record_every=0"),
        ({"learning_rate": 0.0}, "learning_rate=0.0"),
        ({"learning_rate": float("nan")}, "learning_rate=nan"),
        ({"learning_rate": float("inf")}, "learning_rate=inf"),
        ({"kernel": torch.ones(3, 2)}, r"kernel \(3, 2\) must be"),
        ({"kernel": torch.zeros(3, 3)}, "kernel is zero"),
        ({"targets": torch.ones(2, 3)}, "n=3 rows"),
        ({"targets": torch.ones(3, 3)}, "must be probabilities .* off by 2"),
        ({"targets": torch.tensor([[1.5, -0.5]]).expand(3, 2)}, "least entry is -5"),
        ({"start": torch.ones(2, 3)}, r"start \(2, 3\) must be"),
        ({"start": torch.ones(2, 3, 3)}, "does not broadcast"),
    ],
)
def test_bad_input_is_refused(change, message):
    usual = {"kernel": torch.eye(3), "targets": torch.eye(3), "steps": 2}
    with unchecked(), pytest.raises(ValueError, match=message):
        descend(**(usual | change))
