"""The four methods of the paper's comparison, for kernel models instead of networks."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from multiview import checks, shapes
from multiview.ensemble import mean_logits
from multiview.ntk.arguments import check_tensor
from multiview.ntk.descent import descend
from multiview.ntk.members import Fit, by_ridge, largest_jitter
from multiview.ntk.predict import DualModel, predict

Pairs = Iterable[tuple[Tensor, Tensor]]


@dataclass(frozen=True, kw_only=True)
class KernelOutputs:
    """Outputs on the test samples, centred like the targets."""

    single: Float[Tensor, "t members k"]
    ensemble: Float[Tensor, "t k"]  # mean of the single models
    summed: Float[Tensor, "t k"]  # one model with the features of all: trained as a sum
    distilled: Float[Tensor, "t k"]  # the first member's features, fit to the ensemble's outputs
    jitter: float  # the largest any fit needed; above 0 says a kernel was nearly singular


def kernel_methods(
    kernels: Pairs,
    targets: Float[Tensor, "n k"],
    ridge: float = 1e-3,
    temperature: float | None = None,
    *,
    student_ridge: float | None = None,
) -> KernelOutputs:
    """One model, ensemble, trained sum and distillation by ridge regression on fixed kernels.

    Members are taken one after the other: give a generator that computes them, and no more than
    three pairs of kernels are held (this one, the first, the sum). The sum of the kernels is the
    kernel of F = sum_e F_e; that of the mean is the same up to a factor, which changes nothing.
    ``fit_kernels`` fits one of the four by itself and takes test kernels later.
    Source: arXiv 2012.09816, Section 1 and Figure 1.

    Args:
        kernels: K(train, train), (k, n, n) or (n, n), and K(test, train), (k, t, n) or (t, n), of
            each member.
        targets: What the single models and the sum are fit to, as from ``centred_one_hot``.
        ridge: Relative to each kernel's mean diagonal, for every fit.
        temperature: None distils the ensemble's outputs on the training samples as they are
            (squared loss on logits); a number distils ``soft_targets`` of them.
        student_ridge: Of the distilled model, whose targets the teachers' ridge has shrunk
            already; ``ridge`` if None.

    Raises:
        ValueError: If there is no member, or ``solve`` or ``predict`` refuses one.
    """

    return _methods(kernels, targets, *by_ridge(ridge, temperature, student_ridge))


def descent_methods(
    kernels: Pairs,
    targets: Float[Tensor, "n k"],
    *,
    steps: int,
    student_steps: int | None = None,
    temperature: float = 1.0,
    relative_rate: float = 1.0,
) -> KernelOutputs:
    """The four methods for linearised networks trained with cross-entropy, from zero output.

    The student minimises ``hinton_kd`` alone, T^2 KL of softened probabilities: with outputs T f
    its descent is that of f on the cross-entropy with softmax(teacher / T).

    Args:
        kernels: As for ``kernel_methods``, which also says what is held.
        targets: Probabilities that the members and their sum are fit to, as one-hot labels.
        steps: Of full-batch gradient descent (``descend``), for members and sum.
        student_steps: Of the distilled model, whose targets are smoother; ``steps`` if None.
        temperature: T > 0 of the distillation.
        relative_rate: Learning rate of each fit relative to the safe one of ``descend``. That one
            is for the largest curvature of the cross-entropy, 1/2; near uniform probabilities of k
            classes it is 1 / k.

    Raises:
        ValueError: If an argument is out of range, there is no member or ``descend`` refuses one.
        Diverged: If a loss is not finite.
    """
    temperature = checks.temperature("temperature", temperature)
    relative_rate = checks.positive("relative_rate", relative_rate)
    steps = checks.count("steps", steps, least=0)
    if student_steps is not None:
        student_steps = checks.count("student_steps", student_steps, least=0)

    def teach(outputs: Tensor) -> Tensor:
        return (outputs / temperature).softmax(-1)

    own = steps if student_steps is None else student_steps
    fit = partial(descended, steps=steps, relative_rate=relative_rate)
    student = partial(descended, steps=own, relative_rate=relative_rate, scale=temperature)
    return _methods(kernels, targets, fit, teach, student)


def descended(
    kernel: Tensor, targets: Tensor, *, steps: int, relative_rate: float, scale: float = 1.0
) -> DualModel:
    """The linearised network after a descent of the cross-entropy, its outputs times ``scale``.

    Args:
        relative_rate: To the safe learning rate of ``descend``.
    """
    safe = descend(kernel, targets, steps=0).learning_rate
    end = descend(kernel, targets, steps=steps, learning_rate=relative_rate * safe)
    return DualModel(dual=scale * end.dual[-1], layout=end.layout)


def _methods(
    kernels: Pairs,
    targets: Float[Tensor, "n k"],
    fit: Fit,
    teach: Callable[[Tensor], Tensor],
    fit_student: Fit,
) -> KernelOutputs:
    """The four methods, given how to fit and what the student is told of the ensemble."""
    first = total = None
    models, fitted, single = [], [], []
    for train, test in _checked(kernels, targets):
        model = fit(train, targets)
        fitted.append(predict(train, model))
        single.append(predict(test, model))
        models.append(model)
        if first is None or total is None:
            first, total = (
                (train, test),
                tuple(each.to(torch.float64, copy=True) for each in (train, test)),
            )
        elif (train.shape, test.shape) != (first[0].shape, first[1].shape):
            raise ValueError(
                f"kernels of members differ in shape: {tuple(train.shape)} and "
                f"{tuple(test.shape)} after {tuple(first[0].shape)} and {tuple(first[1].shape)}."
            )
        else:
            total = (total[0].add_(train), total[1].add_(test))
    if first is None or total is None:
        raise ValueError("kernels is empty: give at least one member's pair of kernels.")
    student = fit_student(first[0], teach(mean_logits(torch.stack(fitted, dim=1))))
    whole = fit(total[0], targets)
    outputs = torch.stack(single, dim=1)
    return KernelOutputs(
        single=outputs,
        ensemble=mean_logits(outputs),
        summed=predict(total[1], whole),
        distilled=predict(first[1], student),
        jitter=largest_jitter([*models, student, whole]),
    )


def _checked(kernels: Pairs, targets: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """The pairs, one after the other; refused is what is none, and targets that are not (n, k)."""
    shapes.fit(targets=(targets, "any n k"))
    if not isinstance(kernels, Iterable):
        raise ValueError(f"kernels={checks.shown(kernels)}: give a pair of kernels a member.")
    for e, pair in enumerate(kernels):
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise ValueError(
                f"kernels[{e}]={checks.shown(pair)} is no pair: give (K(train, train), "
                "K(test, train)) of each member."
            )
        for i, kernel in enumerate(pair):
            check_tensor(f"kernels[{e}][{i}]", kernel)
        yield pair[0], pair[1]
