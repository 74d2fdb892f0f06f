"""Arguments that do not fit together, each refused once and by name; and limits that are right."""

import pytest
import torch
from one_call import FEATURES, batch, labels, mlp, normal, patch_net
from one_call import SPEC as SMALL
from torch.utils.data import DataLoader, TensorDataset
from unchecked import unchecked

from multiview import stream
from multiview.distill import (
    Hinton,
    best_shift,
    distillation_loss,
    distillation_objective,
    hint_loss,
    hinton_kd,
    knowledge_distillation,
    l2_logits,
    paper_kd,
    rocket_launching,
)
from multiview.models import DropoutPatchNet, PatchNet, SideBySide, shared_patch_nets
from multiview.probes import patch_logits, view_coverage
from multiview.sparsity import GatedPatchNet, gate_layers, sparsify
from multiview.sparsity.penalty import L0Spec
from multiview.train import TrainSpec, cross_entropy, train_patch_net
from multiview.train.loop import fit, target_loss
from multiview.train.optim import OptimSpec

SPEC = OptimSpec(epochs=1, batch_size=3, weight_decay=0.0)
NET = patch_net(members=1)


@pytest.mark.parametrize(
    "net",
    [
        NET,
        DropoutPatchNet(NET, patch=0.5),
        GatedPatchNet(NET, generator=stream(0)),
        *shared_patch_nets(NET, patch_net(members=1), 1),
    ],
    ids=lambda net: type(net).__name__,
)
@pytest.mark.parametrize("shape", [(2, 6, 4), (2, 4, 16), (2, 8), (2, 6, 8, 1)])
def test_patches_of_another_dimension_are_refused(net, shape):
    with unchecked(), pytest.raises(ValueError, match=r"patches has shape .*patch"):
        net(torch.ones(shape))


def test_probes_and_training_refuse_patches_of_another_dimension():
    wide = PatchNet(num_classes=3, width=2, patch_dim=12, generator=stream(0))
    with unchecked(), pytest.raises(ValueError, match="patches"):
        patch_logits(wide, batch())
    with unchecked(), pytest.raises(ValueError, match="patches"):
        train_patch_net(wide, batch().patches, batch().labels, TrainSpec())


@pytest.mark.parametrize("loss", [hinton_kd, l2_logits, paper_kd, hint_loss("logits")])
@pytest.mark.parametrize("shape", [(3,), (1, 3), (5, 1), (5, 2), (5, 1, 3)])
def test_logits_that_do_not_fit_are_not_broadcast(loss, shape):
    with unchecked(), pytest.raises(ValueError, match="teacher_logits has shape"):
        loss(normal(5, 3), torch.zeros(shape))


@pytest.mark.parametrize("loss", [hinton_kd, l2_logits, paper_kd])
def test_no_samples_have_no_mean(loss):
    with unchecked(), pytest.raises(ValueError, match="holds no sample"):
        loss(torch.zeros(0, 3), torch.zeros(0, 3))
    with unchecked():
        assert loss(torch.zeros(0, 3), torch.zeros(0, 3), reduction="none").shape == (0,)


def test_a_class_that_the_teacher_excludes_adds_nothing():
    student = normal(4, 3).double().requires_grad_()
    teacher = normal(4, 3, name="teacher").double()
    teacher[:, 1] = -torch.inf
    (gradient,) = torch.autograd.grad(hinton_kd(student, teacher, 2.0), student)
    almost = teacher.masked_fill(teacher == -torch.inf, -2e3)
    loss = hinton_kd(student, almost, 2.0)
    torch.testing.assert_close(hinton_kd(student, teacher, 2.0), loss)
    torch.testing.assert_close(gradient, torch.autograd.grad(loss, student)[0])


def test_a_class_that_both_exclude_adds_nothing():
    student, teacher = normal(4, 3), normal(4, 3, name="teacher")
    both = [
        x.index_fill(1, torch.tensor([2]), -torch.inf).requires_grad_() for x in (student, teacher)
    ]
    expected = hinton_kd(student[:, :2], teacher[:, :2])
    torch.testing.assert_close(hinton_kd(both[0], both[1]), expected)
    (gradient,) = torch.autograd.grad(hinton_kd(both[0], both[1]), both[0])
    assert gradient.isfinite().all()
    tempered = hint_loss("tempered")
    torch.testing.assert_close(tempered(*both), tempered(student[:, :2], teacher[:, :2]))


def test_infinite_outputs_leave_the_papers_shortfall_finite():
    student = torch.tensor([[torch.inf, 0.0, 1.0], [-torch.inf, 0.0, 1.0]])
    large = torch.tensor([[1e6, 0.0, 1.0], [-1e6, 0.0, 1.0]])
    teacher = normal(2, 3)
    torch.testing.assert_close(paper_kd(student, teacher), paper_kd(large, teacher))


TOO_MANY = mlp(num_classes=4)
CASES = {
    "teacher of other classes": (
        lambda: knowledge_distillation(
            mlp(), TOO_MANY, normal(5, 4), labels(), spec=SPEC, generator=stream(0)
        ),
        "teacher gives",
    ),
    "teacher's logits of other classes": (
        lambda: fit(
            mlp(), normal(5, 4), distillation_loss(labels(), normal(5, 4)), SPEC, stream(0)
        ),
        "teacher gives",
    ),
    "objective of other classes": (
        lambda: train_patch_net(
            NET, batch().patches, batch().labels, TrainSpec(),
            objective=distillation_objective(batch().labels, normal(5, 4), Hinton()),
        ),
        "teacher_logits are of 4 classes",
    ),
    "objective of other samples": (
        lambda: train_patch_net(
            NET, batch().patches, batch().labels, TrainSpec(),
            objective=cross_entropy(labels(7), 3),
        ),
        "objective has targets of 7 samples",
    ),
    "booster of other classes": (
        lambda: rocket_launching(
            mlp(), TOO_MANY, normal(5, 4), labels(), spec=SPEC, generator=stream(0)
        ),
        "nets give outputs of shapes",
    ),
    "side by side": (lambda: SideBySide([mlp(), TOO_MANY])(normal(5, 4)), "number of classes"),
    "frozen student": (
        lambda: fit(
            mlp().requires_grad_(False), normal(5, 4), target_loss(labels()), SPEC, stream(0)
        ),
        "no parameter of the module requires a gradient",
    ),
    "labels of floats": (lambda: target_loss(labels().float()), "targets is of type torch.float32"),
    "negative labels": (lambda: target_loss(labels() - 1), "targets run from -1"),
    "too large labels": (
        lambda: fit(mlp(), normal(5, 4), target_loss(labels() + 1), SPEC, stream(0)),
        "run from 0 to 3 and the module has 3 outputs",
    ),
    "too few labels": (
        lambda: fit(mlp(), normal(5, 4), target_loss(labels(4)), SPEC, stream(0)),
        "4 samples for 5 inputs",
    ),
    "too many labels of gates": (
        lambda: sparsify(
            gate_layers(mlp(), generator=stream(0)), normal(5, 4), labels(6), spec=SPEC,
            penalty=L0Spec(), generator=stream(0),
        ),
        "6 samples for 5 inputs",
    ),
    "a loader's large labels": (
        lambda: fit(mlp(), loader(labels() + 5), target_loss(None), SPEC, stream(0)),
        "labels, run from 5 to 7",
    ),
    "a loader's labels of floats": (
        lambda: fit(mlp(), loader(labels().float()), target_loss(None), SPEC, stream(0)),
        "labels of the loader is of type",
    ),
    "coverage of a net of other classes": (
        lambda: view_coverage(
            PatchNet(num_classes=4, patch_dim=8, generator=stream(0)), SMALL, FEATURES, stream(0)
        ),
        "logits of the classifier has shape",
    ),
    "shift of nothing": (
        lambda: best_shift(torch.zeros(0, 3), labels(0), [0]),
        "logits of shape .* is empty",
    ),
    "shift of NaN": (
        lambda: best_shift(torch.full((5, 3), torch.nan), labels(), [0]),
        "logits holds 15 values that are NaN",
    ),
}  # fmt: skip


def loader(targets):
    return DataLoader(TensorDataset(normal(5, 4), targets), batch_size=5)


@pytest.mark.parametrize("case", CASES)
def test_a_misfit_is_refused(case):
    call, message = CASES[case]
    with unchecked(), pytest.raises(ValueError, match=message):
        call()


def test_no_weight_moves_before_a_refusal():
    student = mlp()
    before = [each.detach().clone() for each in student.parameters()]
    with unchecked(), pytest.raises(ValueError, match="labels"):
        fit(student, normal(5, 4), target_loss(labels() + 1), SPEC, stream(0))
    assert all(torch.equal(a, b) for a, b in zip(before, student.parameters(), strict=True))
