"""Kernel models of several members: each by itself, their mean, their sum, and distilled."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from multiview import checks, shapes
from multiview.ensemble import mean_logits
from multiview.ntk.arguments import check_tensor
from multiview.ntk.layout import CrossKernel, Kernel
from multiview.ntk.predict import DualModel, predict
from multiview.ntk.solve import Solution, check_ridge, solve

Kind = Literal["single", "ensemble", "summed", "distilled"]
Fit = Callable[[Tensor, Tensor], DualModel]  # of a training kernel and targets


@dataclass(frozen=True, kw_only=True)
class FittedKernels:
    """Kernel models of members, fit by ``fit_kernels``; a function of their test kernels.

    Attributes:
        kind: How the members are put together.
        models: One a member; of "summed" one of all.
    """

    kind: Kind
    models: tuple[DualModel, ...]

    def __call__(self, kernels: Iterable[CrossKernel]) -> Float[Tensor, "t *members k"]:
        """Outputs on any inputs, given each member's kernel between them and the training samples.

        Args:
            kernels: K(inputs, train), (k, t, n) or (t, n), of the members in the order of the fit.

        Returns:
            (t, members, k) of "single" and "distilled"; (t, k) of "ensemble" and "summed".

        Raises:
            ValueError: If there are not as many kernels as members, or ``predict`` refuses one.
        """
        if self.kind == "summed":
            return predict(summed_kernel(kernels), self.models[0])
        outputs = predict_each(kernels, self.models)
        return mean_logits(outputs) if self.kind == "ensemble" else outputs

    @property
    def jitter(self) -> float:
        """The largest that a fit needed; above 0 says a kernel was nearly singular."""
        return largest_jitter(self.models)


def fit_kernels(
    kind: Kind,
    kernels: Iterable[Kernel],
    targets: Float[Tensor, "n k"],
    ridge: float = 1e-3,
    *,
    temperature: float | None = None,
    student_ridge: float | None = None,
) -> FittedKernels:
    """Fit the kernel models of one kind by ridge regression, as ``kernel_methods`` fits all four.

    - "single": a model of each member's features;
    - "ensemble": the mean of these models' outputs;
    - "summed": one model with the features of all members, whose kernel is the sum of theirs;
    - "distilled": a model of each member's features, fit to the ensemble's outputs on the training
      samples.

    Args:
        kernels: K(train, train), (k, n, n) or (n, n), of each member.
        targets: What models other than the distilled are fit to, as from ``centred_one_hot``.
        ridge: Relative to each kernel's mean diagonal.
        temperature: Of "distilled": None for the ensemble's outputs as they are; a number for
            ``soft_targets`` of them.
        student_ridge: Of "distilled"; ``ridge`` if None.

    Raises:
        ValueError: If there is no member, an argument is out of range, or ``solve`` refuses one.
    """
    checks.choice("kind", kind, get_args(Kind))
    fit, teach, fit_student = by_ridge(ridge, temperature, student_ridge)
    each = checks.items("kernels", kernels)
    if not each:
        raise ValueError("kernels is empty: give at least one member's kernel.")
    shapes.fit(targets=(targets, "any n k"))
    if kind == "summed":
        return FittedKernels(kind=kind, models=(fit(summed_kernel(each), targets),))
    models = tuple(fit(kernel, targets) for kernel in each)
    if kind == "distilled":
        taught = teach(mean_logits(predict_each(each, models)))
        models = tuple(fit_student(kernel, taught) for kernel in each)
    return FittedKernels(kind=kind, models=models)


def predict_each(
    kernels: Iterable[CrossKernel], models: Iterable[DualModel]
) -> Float[Tensor, "t members k"]:
    """Outputs of each model, given its member's kernel between inputs and training samples.

    Raises:
        ValueError: If there are not as many kernels as models, or ``predict`` refuses one.
    """
    each, fitted = checks.items("kernels", kernels), checks.items("models", models)
    if len(each) != len(fitted):
        raise ValueError(
            f"kernels are {len(each)} and models are {len(fitted)}: give one kernel a member."
        )
    return torch.stack([predict(*pair) for pair in zip(each, fitted, strict=True)], 1)


def summed_kernel(kernels: Iterable[Tensor]) -> Tensor:
    """The kernel of the sum of the members' networks: the sum of their kernels, in float64.

    Raises:
        ValueError: If there is none, or they differ in shape.
    """
    total = None
    for e, kernel in enumerate(checks.items("kernels", kernels)):
        check_tensor(f"kernels[{e}]", kernel)
        if total is None:
            total = kernel.to(torch.float64, copy=True)
        elif kernel.shape != total.shape:
            raise ValueError(
                f"kernels[{e}] has shape {tuple(kernel.shape)} and those before have "
                f"{tuple(total.shape)}: give kernels of the same samples."
            )
        else:
            total.add_(kernel)
    if total is None:
        raise ValueError("kernels is empty: give at least one member's kernel.")
    return total


def by_ridge(
    ridge: Any, temperature: Any, student_ridge: Any
) -> tuple[Fit, Callable[[Tensor], Tensor], Fit]:
    """How ridge regression fits, what it tells a student of the ensemble, and fits the student."""
    ridge = check_ridge("ridge", ridge)
    own = ridge if student_ridge is None else check_ridge("student_ridge", student_ridge)
    if temperature is not None:
        temperature = checks.temperature("temperature", temperature)

    def teach(outputs: Tensor) -> Tensor:
        return outputs if temperature is None else soft_targets(outputs, temperature)

    return partial(solve, ridge=ridge), teach, partial(solve, ridge=own)


def soft_targets(outputs: Float[Tensor, "n k"], temperature: float) -> Float[Tensor, "n k"]:
    """Softmax of a teacher's outputs at a temperature, centred to mean 0 like the hard targets.

    Raises:
        ValueError: If ``outputs`` are no finite floating-point numbers or hold no class, or
            ``temperature`` is not from 1e-6 to 1e6.
    """
    check_tensor("outputs", outputs)
    temperature = checks.temperature("temperature", temperature)
    shapes.finite(outputs=outputs)
    if not outputs.dim() or not outputs.shape[-1]:
        raise ValueError(f"outputs {tuple(outputs.shape)} must be (n, k) with k at least 1.")
    return (outputs / temperature).softmax(-1) - 1 / outputs.shape[-1]


def largest_jitter(models: Iterable[DualModel]) -> float:
    """The largest jitter of these models, 0 where nothing was solved."""
    solved = [model for model in models if isinstance(model, Solution)]
    return max((float(each.jitter.max()) for each in solved), default=0.0)
