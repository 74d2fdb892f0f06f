"""Teachers: one network or an ensemble, frozen, as a function from inputs to logits."""

import math
from collections.abc import Callable, Sequence
from typing import Literal, get_args

from jaxtyping import Float
from torch import Tensor, nn

from multiview import checks, shapes
from multiview.ensemble import mean_logits
from multiview.models import SideBySide
from multiview.train import ComputeSpec, frozen

Average = Literal["probabilities", "logits"]


def averaged_logits(
    logits: Float[Tensor, "n members k"],
    average: Average = "probabilities",
    temperature: float = 1.0,
) -> Float[Tensor, "n k"]:
    """Logits z such that softmax(z / T) is the mean of the members' softened predictions.

    Hinton, Vinyals & Dean (arXiv 1503.02531, Section 2) allow the arithmetic mean of the
    distributions, "probabilities", and the geometric one, "logits", which is free of T. The
    arithmetic mean must be taken at the temperature of the student's loss: that at T = 1,
    softened afterwards, is another distribution.

    Raises:
        ValueError: If there is no such average, or ``temperature`` is not positive.
    """
    shapes.fit(logits=(logits, "float n? members k"))
    checks.choice("average", average, get_args(Average))
    temperature = checks.temperature("temperature", temperature)
    if average == "logits":
        return mean_logits(logits)
    # In logarithms throughout: a probability may be too small for a number of its own.
    log_mean = (logits / temperature).log_softmax(-1).logsumexp(1) - math.log(logits.shape[1])
    return temperature * log_mean


def share_weights(first: nn.Module, second: nn.Module) -> bool:
    """Whether two networks hold a parameter in common."""
    own = {id(each) for each in first.parameters()}
    return any(id(each) in own for each in second.parameters())


def ensemble_teacher(
    members: Sequence[nn.Module],
    average: Average = "probabilities",
    temperature: float = 4.0,
    compute: ComputeSpec | None = None,
) -> Callable[[Tensor], Float[Tensor, "n k"]]:
    """The members' ``averaged_logits`` on any inputs, each of them ``frozen``.

    Args:
        temperature: That of the student's loss; by default that of ``Hinton``.

    Raises:
        ValueError: If there are no members; and as ``averaged_logits``, here rather than at the
            first batch.
    """
    checks.networks("members", members)
    checks.choice("average", average, get_args(Average))
    temperature = checks.temperature("temperature", temperature)
    outputs = frozen(SideBySide(members), compute)
    return lambda inputs: averaged_logits(outputs(inputs), average, temperature)
