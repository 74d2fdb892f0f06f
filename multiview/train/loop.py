"""fit: the one minibatch loop, for any module and any loss."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypedDict

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from multiview import checks, shapes
from multiview.train.batches import check_lone_sample, first_outputs
from multiview.train.checkpoint import Checkpoint, description
from multiview.train.compute import ComputeSpec, chosen, outputs_of
from multiview.train.metrics import wrong
from multiview.train.optim import OptimSpec
from multiview.train.source import Augment, Loader, LoaderTargets, source_of
from multiview.train.training import (
    Best,
    Score,
    State,
    Training,
    forked_rng,
    last_epoch,
    taken_over,
)

# loss(outputs, inputs, rows): mean over the batch, given the module's outputs, the inputs as the
# module saw them (augmented), so that a teacher can see the same, and which samples they are; of a
# loader, which knows no numbers, what it gave with them.
Loss = Callable[[Tensor, Tensor, Any], Tensor]  # the third: Tensor | LoaderTargets
# after_step(steps done, steps of the whole training)
AfterStep = Callable[[int, int], None]


class FitSettings(TypedDict, total=False):
    """The optional settings of ``fit``, as procedures that rest on it hand them on."""

    augment: Augment | None
    progress: Callable[[str, float], None] | None
    compute: ComputeSpec | None
    score: Score | None
    checkpoint: Checkpoint | None
    after_step: AfterStep | None


@dataclass(frozen=True)
class FitResult:
    """What a training leaves beside the weights."""

    steps: int
    # Mean over the epoch's samples, each before its step; of a loss that is a sum over nets, as
    # that of a SideBySide, the sum.
    loss: Float[Tensor, " epochs"]
    scores: Float[Tensor, "epochs nets"] | None = None
    best: tuple[Best, ...] = ()  # of each net, where there were scores
    state: State | None = None  # what ``after`` goes on from; None at the end of the training


def target_loss(
    targets: Int[Tensor, " n"] | Float[Tensor, "n k"] | None, smoothing: float = 0.0
) -> Loss:
    """Cross-entropy with labels (n,) or with probabilities (n, k) of all training samples.

    Of one classifier's logits (batch, k), or of many, (batch, members, k): the sum of theirs.

    Args:
        targets: None for those that a loader gives.
        smoothing: Share of each target that is spread evenly over the classes.

    Raises:
        ValueError: If targets are no integers (n,) from 0 on and no probabilities (n, k); at the
            first batch, if they do not fit the outputs.
    """

    smoothing = checks.fraction("smoothing", smoothing)
    extent = None if targets is None else (0, shapes.targets("targets", targets))

    def loss(logits: Tensor, inputs: Tensor, rows: Tensor | LoaderTargets) -> Tensor:
        many = logits if logits.dim() == 3 else logits.unsqueeze(1)
        members = many.shape[1]
        target = targets_at(targets, rows)
        _check_classes(target, rows.extent if isinstance(rows, LoaderTargets) else extent, many)
        return members * nn.functional.cross_entropy(
            many.flatten(0, 1),
            target.repeat_interleave(members, 0),
            label_smoothing=smoothing,
        )

    return numbered(loss, targets)


def numbered(loss: Loss, targets: Tensor | None) -> Loss:
    """The loss, which tells ``fit`` of how many samples it holds targets."""
    loss.samples = None if targets is None else len(targets)  # type: ignore[attr-defined]
    return loss


def _check_classes(target: Tensor, extent: tuple | None, outputs: Tensor) -> None:
    """Refuse targets of other classes than the outputs (n, members, k) have."""
    k = outputs.shape[-1] if outputs.dim() == 3 else 0
    same = len(target) == len(outputs) and (target.dim() == 1 or target.shape[1] == k)
    if outputs.dim() != 3 or not same:
        raise ValueError(
            f"targets {tuple(target.shape)} are given for outputs of shape {tuple(outputs.shape)}: "
            "use a module with one output for each class."
        )
    if extent is not None and not 0 <= extent[0] <= extent[1] < k:
        raise ValueError(
            f"targets, or labels, run from {extent[0]} to {extent[1]} and the module has {k} "
            f"outputs: use labels from 0 to {k - 1}."
        )


def targets_at(targets: Tensor | None, rows: Tensor | LoaderTargets) -> Tensor:
    """The targets of a batch: of these rows, or those that a loader gave.

    Raises:
        ValueError: If there are none, or targets of all samples cannot be matched with a loader's.
    """
    if isinstance(rows, LoaderTargets):
        if targets is not None:
            raise ValueError(
                "targets are numbered by sample and a loader's samples are not: let the loader "
                "give the labels, and targets=None."
            )
        if rows.labels is None:
            raise ValueError("the loader gives no labels: make its batches (inputs, labels).")
        rule = "float n k" if rows.labels.dim() == 2 else "int n"
        shapes.fit(**{"labels of the loader": (rows.labels, rule)})
        return rows.labels
    if targets is None:
        raise ValueError("targets is None: give those of all samples, or a loader with labels.")
    return shapes.at("targets", targets, rows)


def error_score(
    inputs: Shaped[Tensor, "n ..."],
    labels: Int[Tensor, " n"],
    compute: ComputeSpec | None = None,
) -> Score:
    """The fraction of these samples, held out from training, that each net gets wrong.

    Raises:
        ValueError: If there are not as many labels as inputs; when called, if the net has no output
            of a label.
    """
    shapes.fit(inputs=(inputs, "any n *axes"), labels=(labels, "int n"))

    def score(module: nn.Module) -> Tensor:
        outputs = outputs_of(module, inputs, compute=compute)
        shapes.labels("labels", labels, outputs.shape[-1], "the net")
        return wrong(outputs, labels).float().mean(0).reshape(-1)

    return score


def in_turn(*calls: AfterStep | None) -> AfterStep:
    """One ``after_step`` that makes each of these calls; None is left out."""

    def after_step(done: int, total: int) -> None:
        for call in calls:
            if call is not None:
                call(done, total)

    return after_step


def fit(
    module: nn.Module,
    inputs: Shaped[Tensor, "n ..."] | Loader,
    loss: Loss,
    spec: OptimSpec,
    generator: torch.Generator | int,
    *,
    augment: Augment | None = None,
    progress: Callable[[str, float], None] | None = None,
    compute: ComputeSpec | None = None,
    score: Score | None = None,
    checkpoint: Checkpoint | None = None,
    after_step: AfterStep | None = None,
    until: int | None = None,
    after: State | None = None,
) -> FitResult:
    """Train ``module`` in place, and leave it in eval mode.

    Args:
        inputs: All training samples, in memory; or a loader of batches with an order of its own, of
            inputs or of (inputs, labels), which then decides the batch size.
        generator: Order of the samples and, before it, the epoch's augmentation; advanced in
            place. The same module, inputs and generator state give the same bits on a CPU with the
            same number of threads. What the module itself draws (dropout) follows from the
            generator's state at the start.
        augment: Changes all samples anew at the start of each epoch, with ``generator``.
        progress: Called after every epoch with a line and the fraction done.
        compute: Memory format, autocast, compilation; all off by default.
        score: Called after each epoch on the module in eval mode; the best state is kept.
        checkpoint: Where to keep the training, and to go on with it if it is there already, in the
            midst of an epoch too: the bits are those of a training never interrupted, where those
            do not change from run to run.
        after_step: Called after each step with the steps done and those of the whole training; may
            change the module in place. What it remembers must be in the module's state (a buffer),
            or a checkpoint would go on without it.
        until: Epochs after which it stops, at the rates of the whole training; None: all. What it
            leaves then holds a ``state``.
        after: Such a state, of the same kind of module: weights, momentum, rate and epochs go on
            from there; the order of samples and what is drawn come from ``generator`` all the same.

    Raises:
        Diverged: If a loss becomes infinite or NaN.
        ValueError: If the checkpoint is of another training, by its initial weights, generator,
            settings and a sample of its inputs; the loss and all other functions are not looked at.
            If a loader is given with ``augment`` or ``checkpoint``, or its batches are not as
            ``FromLoader`` takes them. If ``until`` is no number of epochs from 0 to all of them.
            If ``after`` is no such state, is of another module, or has done more epochs than there
            are or than ``until``; if the checkpoint has.
    """
    generator = _checked_arguments(module, inputs, loss, spec, generator)
    last = last_epoch(module, spec, until, after)
    for name, call in {"progress": progress, "score": score, "after_step": after_step}.items():
        checks.function(name, call, optional=True)
    compute = chosen(compute)
    source = source_of(inputs, module, augment, spec.batch_size)
    if after is not None:
        module.load_state_dict(after["module"])
    start = {}
    if checkpoint is not None:
        if not isinstance(inputs, Tensor):
            raise ValueError(
                "a checkpoint cannot repeat a loader's order: give the inputs as a tensor, or no "
                "checkpoint."
            )
        own = None if after is None else taken_over(after)
        start = description(module, inputs, generator, own, spec=spec, compute=compute)
    forward = compute.prepared(module)
    training = Training(
        module=module,
        optimizer=spec.optimizer(module.parameters()),
        generator=generator,
        source=source,
    )
    if after is not None:
        training.go_on(after)
    with forked_rng(generator, source.device):
        if checkpoint is not None and (state := checkpoint.load(start, last)) is not None:
            training.restore(state)
        module.train()
        while training.epoch < last:
            for rows, seen in training.batches():
                if checkpoint is not None and checkpoint.due():
                    checkpoint.save(start, training.state())
                outputs = forward(seen) if training.steps_done else first_outputs(forward, seen)
                training.take_step(loss(outputs, seen, rows), len(seen), spec)
                if after_step is not None:
                    after_step(training.steps_done, spec.epochs * source.steps)
            training.end_epoch(spec, score)
            if progress is not None:
                message = f"epoch {training.epoch}/{spec.epochs} loss {training.history[-1]:.3f}"
                progress(message, training.epoch / spec.epochs)
    module.eval()
    if checkpoint is not None:
        checkpoint.save(start, training.state(finished=last == spec.epochs))
    return FitResult(
        steps=training.epoch * source.steps,
        loss=torch.tensor(training.history),
        scores=torch.stack(training.scores) if training.scores else None,
        best=tuple(Best(**each) for each in training.best),
        state=copy.deepcopy(training.state()) if last < spec.epochs else None,
    )


def _checked_arguments(
    module: Any, inputs: Any, loss: Any, spec: Any, generator: Any
) -> torch.Generator:
    """Refuse what cannot be trained, before the first step; gives the order's generator."""
    checks.module("module", module)
    checks.instance("spec", spec, OptimSpec)
    generator = checks.generator("generator", generator, "order")
    checks.function("loss", loss)
    samples = getattr(loss, "samples", None)
    several = isinstance(inputs, Tensor) and inputs.dim() and len(inputs)  # else refused elsewhere
    if several and samples not in (None, several):
        raise ValueError(
            f"the loss has targets or labels of {samples} samples for {len(inputs)} inputs: give "
            "one each."
        )
    if several and inputs.is_floating_point():
        shapes.finite(inputs=inputs)
    if several:
        check_lone_sample(module, inputs, spec.batch_size, generator)
    return generator
