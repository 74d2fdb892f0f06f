"""Calls of multiview.train, and of fit, which all minibatch trainings go through."""

from pathlib import Path
from typing import Any

import torch
from one_call import (
    Call,
    batch,
    double,
    finite,
    holds,
    keeps,
    labels,
    mlp,
    near,
    near_where_finite,
    normal,
    patch_net,
)
from torch import Tensor, nn

from multiview import stream
from multiview.train import (
    Checkpoint,
    ComputeSpec,
    Diverged,
    FitResult,
    OptimSpec,
    TrainResult,
    TrainSpec,
    cross_entropy,
    differentiated,
    error_score,
    fit,
    frozen,
    outputs_of,
    per_member,
    rescaled,
    target_loss,
    train_patch_net,
)
from multiview.train.metrics import wrong

INPUTS = torch.ones(5, 4)
ROWS, NETS, LOGITS = torch.arange(5), torch.arange(2), normal(5, 2, 3, name="logits")


def _soft(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy and its derivative, from its definition."""
    targets = targets[ROWS]
    soft = nn.functional.one_hot(targets, 3) if targets.dim() == 1 else targets
    said = double(logits).log_softmax(-1)
    return -(double(soft)[:, None] * said).sum(-1), said.exp() - double(soft)[:, None]


def _both(found: tuple[Tensor, Tensor], expected: tuple[Tensor, Tensor]) -> bool:
    return near(found[0], expected[0]) and near(found[1], expected[1])


def _squares(logits: Tensor, rows: Tensor) -> Tensor:
    return logits.square().sum(-1)


def _trained(found: TrainResult, a: dict[str, Any]) -> bool:
    one = found.net.weight.shape == a["net"].weight.shape and finite(found.net.weight, found.loss)
    moved = not torch.equal(found.net.weight, a["net"].weight)
    return one and (moved or bool(found.converged.all())) and len(found.loss) >= 1


def _fitted(found: FitResult, a: dict[str, Any]) -> bool:
    weights = [*a["module"].parameters()]
    return found.steps == 4 and finite(found.loss, *weights) and not a["module"].training


TRAIN_FIELDS = {
    "method": "sgd", "relative_step": 0.5, "learning_rate": 0.2, "batch_size": 3, "max_steps": 4,
    "loss_bound": 0.1, "summed": False, "bfloat16": False,
}  # fmt: skip
OPTIM_FIELDS = {
    "epochs": 3, "batch_size": 2, "algorithm": "adam", "learning_rate": 0.05, "warmup": 0.1,
    "momentum": 0.5, "weight_decay": 0.01, "max_norm": 2.0, "schedule": "steps",
    "milestones": (0.3, 0.6), "drop": 0.5,
}  # fmt: skip
CALLS = {
    "TrainSpec": Call(
        function=TrainSpec,
        arguments=TRAIN_FIELDS.copy,
        right=lambda spec, a: (
            keeps(spec, a) and min(spec.batch_size, spec.max_steps, spec.learning_rate) > 0
        ),
    ),
    "TrainResult": Call(
        function=TrainResult,
        arguments=lambda: {
            "net": patch_net(), "steps": torch.arange(2), "flow_time": torch.zeros(2),
            "converged": torch.ones(2).bool(), "loss": torch.zeros(3, 2),
            "error": torch.zeros(3, 2),
        },
        right=keeps,
    ),
    "Diverged": Call(
        function=lambda message: Diverged(message),
        arguments=lambda: {"message": "at step 3"},
        right=lambda found, a: found.args[0] is a["message"],
    ),
    "cross_entropy": Call(
        function=lambda targets, num_classes: cross_entropy(targets, num_classes)(
            LOGITS, ROWS, NETS
        ),
        arguments=lambda: {"targets": labels(), "num_classes": 3},
        right=lambda found, a: _both(found, _soft(LOGITS, a["targets"])),
    ),
    "cross_entropy, of probabilities": Call(
        function=lambda targets, num_classes: cross_entropy(targets, num_classes)(
            LOGITS, ROWS, NETS
        ),
        arguments=lambda: {"targets": normal(5, 3).softmax(-1), "num_classes": 3},
        right=lambda found, a: _both(found, _soft(LOGITS, a["targets"])),
    ),
    "per_member": Call(
        function=lambda first, second: per_member(first, second)(LOGITS, ROWS, NETS),
        arguments=lambda: {
            "first": cross_entropy(labels(), 3), "second": cross_entropy(labels().flip(0), 3),
        },
        right=lambda found, a: near(found[0][:, 0], _soft(LOGITS, labels())[0][:, 0]),
        says={"first": ("objectives",), "second": ("objectives",)},
    ),
    "rescaled": Call(
        function=lambda objective, factor: rescaled(objective, factor)(LOGITS, ROWS, NETS),
        arguments=lambda: {"objective": cross_entropy(labels(), 3), "factor": 0.5},
        right=lambda found, a: near(found[0], _soft(a["factor"] * LOGITS, labels())[0]),
    ),
    "differentiated": Call(
        function=lambda loss: differentiated(loss)(LOGITS, ROWS, NETS),
        arguments=lambda: {"loss": _squares},
        right=lambda found, a: _both(found, (LOGITS.square().sum(-1), 2 * LOGITS)),
    ),
    "train_patch_net": Call(
        function=train_patch_net,
        arguments=lambda: {
            "net": patch_net(),
            "patches": batch().patches.clone(), "labels": batch().labels.clone(),
            "spec": TrainSpec(method="sgd", max_steps=3, batch_size=3, learning_rate=0.1),
            "objective": cross_entropy(batch().labels, 3), "generator": stream(0),
        },
        right=_trained,
    ),
    "OptimSpec": Call(
        function=OptimSpec,
        arguments=OPTIM_FIELDS.copy,
        right=lambda spec, a: (
            keeps(spec, a)
            and 0 <= spec.warmup < 1
            and 0 <= spec.momentum < 1
            and all(0 < spec.rate(step, 10) <= spec.learning_rate for step in range(10))
        ),
    ),
    "ComputeSpec": Call(
        function=ComputeSpec,
        arguments=lambda: {"channels_last": False, "bfloat16": False, "compile": False},
        right=keeps,
    ),
    "fit": Call(
        function=lambda labels, smoothing, **a: fit(loss=target_loss(labels, smoothing), **a),
        arguments=lambda: {
            "module": mlp(), "inputs": normal(5, 4), "labels": labels(), "smoothing": 0.1,
            "spec": OptimSpec(epochs=2, batch_size=3), "generator": stream(0),
        },
        right=_fitted,
        says={"labels": ("targets",), "inputs": ("x", "labels", "targets")},
    ),
    "FitResult": Call(
        function=FitResult,
        arguments=lambda: {
            "steps": 4, "loss": torch.zeros(2), "scores": torch.zeros(2, 1), "best": (1,),
        },
        right=holds,
    ),
    "Checkpoint": Call(
        function=lambda **a: Checkpoint(path=Path("kept.pt"), **a),
        arguments=lambda: {"seconds": 1.0, "strict": False},
        right=keeps,
    ),
    "target_loss": Call(
        function=lambda targets, smoothing: target_loss(targets, smoothing)(
            LOGITS[:, 0], INPUTS, ROWS
        ),
        arguments=lambda: {"targets": labels(), "smoothing": 0.1},
        right=lambda found, a: near(
            found,
            nn.functional.cross_entropy(
                LOGITS[:, 0].double(),
                a["targets"][:5] if a["targets"].dim() == 1 else double(a["targets"][:5]),
                label_smoothing=a["smoothing"],
            ),
        ),
    ),
    "error_score": Call(
        function=lambda **a: error_score(**a)(mlp()),
        arguments=lambda: {"inputs": normal(5, 4), "labels": labels(), "compute": ComputeSpec()},
        right=lambda found, a: near(
            found, wrong(mlp()(a["inputs"]), a["labels"]).float().mean().reshape(1)
        ),
        says={"inputs": ("x",)},
    ),
    "frozen": Call(
        function=lambda module, compute, inputs: frozen(module, compute)(inputs),
        arguments=lambda: {"module": mlp(), "compute": ComputeSpec(), "inputs": normal(5, 4)},
        right=lambda found, a: (
            not found.requires_grad
            and near_where_finite(found, a["module"](a["inputs"]), a["inputs"])
        ),
        says={"inputs": ("x",)},
    ),
    "outputs_of": Call(
        function=outputs_of,
        arguments=lambda: {
            "module": mlp(), "inputs": normal(5, 4), "compute": ComputeSpec(), "batch_size": 2,
        },
        right=lambda found, a: near_where_finite(found, a["module"](a["inputs"]), a["inputs"]),
        says={"inputs": ("x",)},
    ),
}  # fmt: skip
