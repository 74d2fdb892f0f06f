"""The smoothed ReLU: a power q below the knee, linear above."""

from jaxtyping import Float
from torch import Tensor

from multiview import checks, shapes


def smoothed_relu(z: Float[Tensor, "..."], q: float, relu_knee: float) -> Float[Tensor, "..."]:
    """0 for z <= 0; z^q / (q R^(q-1)) up to the knee R; z - (1 - 1/q) R beyond it.

    Continuously differentiable for q > 1. Source: arXiv 2012.09816, Section 2 (sReLU, with the
    knee written as a script rho there).

    Args:
        q: The power below the knee, > 1.
        relu_knee: R > 0, where it turns linear.

    Raises:
        ValueError: If ``z`` is no tensor of floating-point numbers, ``q`` is not above 1, or
            ``relu_knee`` is not positive.
    """
    _check_arguments(z, q, relu_knee)
    bent = z.clamp(0, relu_knee)
    # One formula for all three pieces: s(z) = s'(z) (z - (1 - 1/q) min(z, R)).
    return (bent / relu_knee) ** (q - 1) * (z - (1 - 1 / q) * bent)


def smoothed_relu_slope(
    z: Float[Tensor, "..."], q: float, relu_knee: float
) -> Float[Tensor, "..."]:
    """Derivative of ``smoothed_relu``: min(z+, R)^(q-1) / R^(q-1), in [0, 1].

    Args:
        q, relu_knee: As of ``smoothed_relu``.

    Raises:
        ValueError: As ``smoothed_relu``.
    """
    _check_arguments(z, q, relu_knee)
    return (z.clamp(0, relu_knee) / relu_knee) ** (q - 1)


def power(q: float) -> float:
    """q, refused where the activation would have no continuous slope at 0."""
    meaning = "has no continuous slope at 0 (the paper: 3 or 4)"
    return checks.number("q", q, "(1, inf)", meaning=meaning)


def _check_arguments(z: Tensor, q: float, relu_knee: float) -> None:
    shapes.fit(z=(z, "float *axes?"))
    power(q)
    checks.positive("relu_knee", relu_knee)
