"""Dropout distillation: one mask is enough on average, and every student is without dropout."""

import copy
import math
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional
from unchecked import unchecked

from multiview import stream
from multiview.distill import (
    averaged_logits,
    bregman,
    dropout_distillation,
    monte_carlo,
)
from multiview.models import MLP
from multiview.train.compute import ComputeSpec, frozen
from multiview.train.optim import OptimSpec
from multiview.train.stochastic import stochastic, without_dropout
from multiview.train.training import forked_rng

DIVERGENCES = ("kl", "squared_logits", "squared_probabilities")
SPEC = OptimSpec(epochs=2, batch_size=16, learning_rate=0.05)


def phi(divergence: str, logits: torch.Tensor) -> torch.Tensor:
    """The convex function of each divergence."""
    if divergence == "squared_logits":
        return logits.square().sum(-1) / 2
    p = logits.softmax(-1)
    return (
        p.square().sum(-1) / 2 if "squared" in divergence else torch.special.entr(p).sum(-1).neg()
    )


def reverse_kl(student, teacher):
    """KL(student || teacher), which ``hinton_kd`` has no gradient of: its teacher is constant."""
    q, p = student.log_softmax(-1), teacher.log_softmax(-1)
    return (q.exp() * (q - p)).sum(-1).mean()


@st.composite
def masked_predictions(draw):
    """Logits (n, masks, k) of a teacher and (n, k) of a student."""
    n, masks, k = draw(st.integers(1, 4)), draw(st.integers(1, 6)), draw(st.integers(2, 5))
    generator = stream(draw(st.integers(0, 10**6)))
    scale = draw(st.floats(0.1, 3))
    sizes = ((n, masks, k), (n, k))
    return [scale * torch.randn(*s, generator=generator, dtype=torch.float64) for s in sizes]


@given(masked_predictions(), st.sampled_from(DIVERGENCES))
def test_the_bregman_identity(predictions, divergence):
    masked, student = predictions
    loss, average = bregman(divergence)
    each = loss(student.unsqueeze(1).expand_as(masked), masked).mean(1)
    mean = averaged_logits(masked, average)
    spread = phi(divergence, masked).mean(1) - phi(divergence, mean)
    torch.testing.assert_close(each, loss(student, mean) + spread)
    assert (spread > -1e-9).all()  # Jensen


@given(masked_predictions(), st.sampled_from(DIVERGENCES))
def test_the_gradient_at_one_mask_is_on_average_that_at_the_mean_of_all(predictions, divergence):
    masked, student = predictions
    loss, average = bregman(divergence)
    student.requires_grad_()
    one_by_one = [loss(student, each).mean() for each in masked.unbind(1)]
    (mean_gradient,) = torch.autograd.grad(torch.stack(one_by_one).mean(), student)
    (at_mean,) = torch.autograd.grad(
        loss(student, averaged_logits(masked, average)).mean(), student
    )
    torch.testing.assert_close(mean_gradient, at_mean)


def test_reverse_kl_breaks_the_identity_and_is_refused():
    masked = torch.tensor([[[4.0, 0.0], [-4.0, 0.0], [3.0, 0.0]]])
    logits = torch.tensor([[1.0, 0.0]], requires_grad=True)
    (mean_gradient,) = torch.autograd.grad(
        torch.stack([reverse_kl(logits, each) for each in masked.unbind(1)]).mean(), logits
    )
    (at_mean,) = torch.autograd.grad(reverse_kl(logits, averaged_logits(masked)), logits)
    assert (mean_gradient - at_mean).abs().max() > 0.05
    with unchecked(), pytest.raises(ValueError, match="reverse_kl' is no Bregman divergence"):
        bregman("reverse_kl")  # type: ignore[arg-type]


def test_unknown_names_and_numbers_are_refused():
    net = teacher()
    with unchecked(), pytest.raises(ValueError, match="'l2' is none of kl"):
        bregman("l2")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="masks=0"):
        monte_carlo(net, 0)
    with pytest.raises(ValueError, match="batch_size=0"):
        monte_carlo(net, batch_size=0)
    with unchecked(), pytest.raises(ValueError, match="average='median'"):
        monte_carlo(net, average="median")  # type: ignore[arg-type]


class Functional(nn.Module):
    """A net with BatchNorm whose dropout no module shows."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last = nn.Linear(6, 8), nn.Linear(8, 3)
        self.norm = nn.BatchNorm1d(8)

    def forward(self, x):
        hidden = self.norm(self.first(x)).relu()
        return self.last(functional.dropout(hidden, 0.5, self.training))


def teacher() -> Functional:
    return Functional()


def inputs(n: int = 48) -> torch.Tensor:
    return torch.randn(n, 6, generator=stream(0, "inputs"))


def test_monte_carlo_averages_the_masks_that_the_generator_decides():
    x, net = inputs(7), teacher()
    with forked_rng(stream(1), x.device):
        each = stochastic(net)(x.repeat_interleave(5, 0)).unflatten(0, (7, 5))
    for average in ("probabilities", "logits"):
        given_generator = stream(1)
        predict = monte_carlo(net, 5, average, generator=given_generator)
        first = predict(x)
        torch.testing.assert_close(first, averaged_logits(each, average))
        assert not predict(x).allclose(first)  # the generator moved on
        assert monte_carlo(net, 5, average, generator=stream(1))(x).equal(first)


@pytest.mark.parametrize("average", ["probabilities", "logits"])
def test_chunks_do_not_change_the_law(average):
    """Two hidden units have four masks, so the mean over all of them is known."""
    torch.manual_seed(0)
    first, last = nn.Linear(2, 2), nn.Linear(2, 3)
    net = nn.Sequential(first, nn.Sigmoid(), nn.Dropout(0.5), last)
    x = torch.randn(3, 2, generator=stream(0))
    hidden = first(x).sigmoid()
    masks = torch.tensor([[0.0, 0.0], [0.0, 2.0], [2.0, 0.0], [2.0, 2.0]])
    expected = averaged_logits(torch.stack([last(hidden * mask) for mask in masks], 1), average)
    for batch_size in (500, 40_000):  # of masks, the last chunk of the first is smaller
        few = monte_carlo(net, 10_000, average, generator=stream(2), batch_size=batch_size)
        error = few(x).softmax(1) - expected.softmax(1)
        assert error.abs().max() < 0.01
        assert error.abs().max() > 0


def test_a_forward_pass_has_no_more_samples_than_said():
    sizes = []
    net = nn.Sequential(nn.Linear(6, 3), nn.Dropout(0.5))
    predict = monte_carlo(net, 7, batch_size=10)
    predict(inputs(3))
    net.register_forward_hook(lambda module, args, outputs: sizes.append(len(args[0])))
    assert predict(inputs(3)).shape == (3, 3)
    assert sizes == [9, 9, 3]
    sizes.clear()
    assert predict(inputs(25)).shape == (25, 3)
    assert sizes == [10] * 14 + [10, 10, 10, 5]  # 7 masks of 10 and of 10; of 5, two at a time


def gradients_at(student, x, divergence, targets):
    """Of a linear student's weights, one for each of the targets (s, n, k)."""
    loss, _ = bregman(divergence)
    logits = student(x).detach().expand_as(targets).requires_grad_()
    (gradient,) = torch.autograd.grad(loss(logits, targets).sum(), logits)
    return torch.einsum("snk,nd->skd", gradient / len(x), x)


@pytest.mark.parametrize("divergence", DIVERGENCES)
def test_one_mask_teaches_without_bias(divergence):
    """The mean gradient of single masks is that at the Monte-Carlo mean, within its error."""
    x, net, student = inputs(8), teacher(), nn.Linear(6, 3)
    _, average = bregman(divergence)
    one = monte_carlo(net, 1, average, generator=stream(3), batch_size=16_000)
    singles = gradients_at(student, x, divergence, one(x.repeat(2000, 1)).view(2000, 8, 3))
    many = monte_carlo(net, 20_000, average, generator=stream(4), batch_size=16_000)
    exact = gradients_at(student, x, divergence, many(x).unsqueeze(0))
    deviation = singles.std(0) / math.sqrt(len(singles))
    assert ((singles.mean(0) - exact).abs() < 4 * deviation + 1e-4).all()
    standard = gradients_at(student, x, divergence, frozen(net)(x).unsqueeze(0))
    if divergence != "squared_logits":  # where, below one layer of dropout, both are the same
        assert ((standard - exact).abs() > 4 * deviation).any()


def watched(monkeypatch, seen):
    """Note what the teacher says in each call of the loss."""
    import multiview.distill.dropout as module

    def noting(divergence):
        loss, average = bregman(divergence)

        def note(student, said):
            seen.append((student.detach().clone(), said.clone()))
            return loss(student, said)

        return note, average

    monkeypatch.setattr(module, "bregman", noting)


def test_masks_are_fresh_for_each_sample_and_each_step(monkeypatch):
    seen = []
    watched(monkeypatch, seen)
    same = torch.ones(32, 6)  # so that only masks can make a difference
    net = teacher()
    spec = OptimSpec(epochs=3, batch_size=16)
    dropout_distillation(without_dropout(net), net, same, spec=spec, generator=stream(0))
    assert len(seen) == 6
    said = torch.stack([each for _, each in seen])
    assert all(len(batch.unique(dim=0)) >= 4 for batch in said)  # the masks of the live units
    for i in range(6):
        for j in range(i):
            assert not said[i].equal(said[j])
    for student, _ in seen:  # it has no dropout
        assert student.allclose(student[:1], atol=1e-3)  # BatchNorm magnifies rounding


@pytest.mark.parametrize("student_of", [copy.deepcopy, without_dropout])
def test_the_student_is_without_dropout_and_the_teacher_is_left_alone(student_of, monkeypatch):
    seen = []
    watched(monkeypatch, seen)
    net = teacher().train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    same = torch.ones(32, 6)
    student = student_of(net)
    dropout_distillation(student, net, same, spec=SPEC, generator=stream(0))
    for name, value in net.state_dict().items():
        assert value.equal(before[name]), name
    assert net.training
    assert all(each.grad is None for each in net.parameters())
    for outputs, _ in seen:
        assert outputs.allclose(outputs[:1], atol=1e-3)
    assert not student.training
    counted = [v for name, v in student.state_dict().items() if name.endswith("tracked")]
    assert counted[0] == 4  # the student's own statistics are learnt
    assert not student(same).equal(frozen(net)(same))


def test_the_generator_decides_the_bits():
    def trained(seed):
        net = teacher()
        student = without_dropout(net)
        dropout_distillation(student, net, inputs(), spec=SPEC, generator=stream(seed))
        return next(student.parameters())

    assert trained(0).equal(trained(0))
    assert not trained(0).equal(trained(1))


def test_a_loader_and_fresh_smaller_students_do():
    data = torch.utils.data.TensorDataset(inputs(), torch.zeros(48))
    loader = torch.utils.data.DataLoader(data, batch_size=16)
    student = MLP(input_shape=(6,), num_classes=3, widths=(4,), generator=stream(0))
    result = dropout_distillation(
        student, teacher(), loader, spec=SPEC, generator=stream(0), masks=3
    )
    assert result.steps == 6


@pytest.mark.parametrize(
    ("divergence", "average"), [("kl", "probabilities"), ("squared_logits", "logits")]
)
def test_the_student_learns_the_mean_of_its_divergence(divergence, average):
    """On one input, two inputs to the last layer dropped: the two means are far apart."""
    last = nn.Linear(2, 2, bias=False)
    net = nn.Sequential(nn.Dropout(0.5), last)
    with torch.no_grad():
        last.weight.copy_(torch.tensor([[3.0, -1.5], [-3.0, 0.0]]))
    x = torch.ones(256, 2)
    masks = torch.tensor([[0.0, 0.0], [0.0, 2.0], [2.0, 0.0], [2.0, 2.0]])
    each = last(masks).detach().unsqueeze(0)
    by_name = {
        "probabilities": averaged_logits(each, "probabilities").softmax(1),
        "logits": averaged_logits(each, "logits").softmax(1),
    }
    mean = by_name.pop(average)
    (wrong,) = by_name.values()
    student = nn.Linear(2, 2)
    spec = OptimSpec(epochs=40, batch_size=64, learning_rate=0.05, weight_decay=0.0)
    settings = {"spec": spec, "generator": stream(0), "divergence": divergence, "masks": 2}
    dropout_distillation(student, net, x, **settings)
    learnt = student(x[:1]).softmax(1)
    assert (mean - wrong).abs().max() > 0.1
    torch.testing.assert_close(learnt, mean, atol=0.03, rtol=0)


def test_more_masks_leave_less_noise_around_the_same_target():
    x, net = inputs(200), teacher()
    exact = monte_carlo(net, 4000, generator=stream(0), batch_size=40_000)(x).softmax(1)
    errors = []
    for masks in (1, 4, 16):
        said = monte_carlo(net, masks, generator=stream(1, str(masks)))(x).softmax(1)
        assert (said - exact).mean(0).abs().max() < 5 * 0.5 / math.sqrt(200 * masks)
        errors.append(float((said - exact).square().mean()))
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.25)
    assert errors[1] / errors[2] == pytest.approx(4, rel=0.25)


def test_only_the_students_own_dropout_is_off():
    """Augmentation drops as it says, and the student is left without hooks, failures included."""
    seen, net = [], teacher()
    student = copy.deepcopy(net)

    def augment(x, generator):
        seen.append(functional.dropout(x, 0.5))
        return seen[-1]

    call = partial(dropout_distillation, spec=SPEC, generator=stream(0))
    call(student, net, torch.ones(64, 6), augment=augment)
    assert all(0.3 < (each == 0).float().mean() < 0.7 for each in seen)
    assert len(seen) == SPEC.epochs
    assert not student.train()(torch.ones(64, 6)).allclose(student(torch.ones(64, 6)))
    with pytest.raises(ValueError, match="module fails on inputs of shape"):
        call(nn.Sequential(nn.Dropout(0.5), nn.Linear(5, 3)), net, inputs())
    assert (functional.dropout(torch.ones(1000), 0.5) == 0).any()
    assert not student._forward_hooks
    assert not student._forward_pre_hooks


def test_compilation_is_refused():
    net = teacher()
    compute = ComputeSpec(compile=True)
    with pytest.raises(ValueError, match=r"compute.compile=True.*replace\(compute"):
        dropout_distillation(
            without_dropout(net), net, inputs(), spec=SPEC, generator=stream(0), compute=compute
        )


def test_a_teacher_is_no_student_of_its_own():
    net = teacher()
    shares = nn.Sequential(net)
    call = partial(dropout_distillation, spec=SPEC, generator=stream(0))
    with pytest.raises(ValueError, match=r"share weights.*without_dropout"):
        call(shares, net, inputs())
    with pytest.raises(ValueError, match="no dropout"):
        call(net, nn.Linear(6, 3), inputs())
