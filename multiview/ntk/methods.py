"""The four methods of the paper's comparison, for kernel models instead of networks."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from multiview.ensemble import mean_logits
from multiview.ntk.predict import predict
from multiview.ntk.solve import Solution, solve


@dataclass(frozen=True, kw_only=True)
class KernelOutputs:
    """Outputs on the test samples, centred like the targets."""

    single: Float[Tensor, "t members k"]
    ensemble: Float[Tensor, "t k"]  # mean of the single models
    summed: Float[Tensor, "t k"]  # one model with the features of all: trained as a sum
    distilled: Float[Tensor, "t k"]  # the first member's features, fit to the ensemble's outputs
    jitter: float  # the largest any fit needed; above 0 says a kernel was nearly singular


def kernel_methods(
    kernels: Iterable[tuple[Tensor, Tensor]],
    targets: Float[Tensor, "n k"],
    ridge: float = 1e-3,
    temperature: float | None = None,
) -> KernelOutputs:
    """One model, ensemble, trained sum and distillation by ridge regression on fixed kernels.

    Members are taken one after the other: give a generator that computes them, and no more than
    three pairs of kernels are held (this one, the first, the sum). The sum of the kernels is the
    kernel of F = sum_e F_e; that of the mean is the same up to a factor, which changes nothing.
    Source: arXiv 2012.09816, Section 1 and Figure 1.

    Args:
        kernels: K(train, train), (k, n, n) or (n, n), and K(test, train), (k, t, n) or (t, n), of
            each member.
        targets: What the single models and the sum are fit to, as from ``centred_one_hot``.
        ridge: Relative to each kernel's mean diagonal, for every fit.
        temperature: None distils the ensemble's outputs on the training samples as they are
            (squared loss on logits); a number distils ``soft_targets`` of them.

    Raises:
        ValueError: If there is no member, or ``solve`` or ``predict`` refuses one.
    """
    first = total = None
    fitted, single, solutions = [], [], []
    for train, test in kernels:
        solution = solve(train, targets, ridge)
        fitted.append(predict(train, solution))
        single.append(predict(test, solution))
        solutions.append(solution)
        if first is None or total is None:
            first, total = (train, test), (train.to(torch.float64, copy=True), test.clone())
        else:
            total = (total[0].add_(train), total[1].add_(test))
    if first is None or total is None:
        raise ValueError("kernels is empty: give at least one member's pair of kernels.")
    teacher = mean_logits(torch.stack(fitted, dim=1))
    if temperature is not None:
        teacher = soft_targets(teacher, temperature)
    student, whole = solve(first[0], teacher, ridge), solve(total[0], targets, ridge)
    outputs = torch.stack(single, dim=1)
    return KernelOutputs(
        single=outputs,
        ensemble=mean_logits(outputs),
        summed=predict(total[1], whole),
        distilled=predict(first[1], student),
        jitter=_largest_jitter([*solutions, student, whole]),
    )


def soft_targets(outputs: Float[Tensor, "n k"], temperature: float) -> Float[Tensor, "n k"]:
    """Softmax of a teacher's outputs at a temperature, centred to mean 0 like the hard targets."""
    if not temperature > 0:
        raise ValueError(f"temperature={temperature} must be > 0.")
    return (outputs / temperature).softmax(-1) - 1 / outputs.shape[-1]


def _largest_jitter(solutions: list[Solution]) -> float:
    return max(float(solution.jitter.max()) for solution in solutions)
