"""Call: a valid call of a public name; and comparisons that several of them share."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from multiview import stream
from multiview.data import MultiViewSpec, PatchBatch, make_features, sample_patches
from multiview.models import MLP, PatchNet


@dataclass(frozen=True, kw_only=True)
class Call:
    """A function, valid arguments made anew each time, and whether a result is right for them."""

    function: Callable[..., Any]
    arguments: Callable[[], dict[str, Any]]
    right: Callable[[Any, dict[str, Any]], bool]
    # By argument, further words by which a refusal may name it.
    says: dict[str, tuple[str, ...]] = field(default_factory=dict)


# Whether an argument is in half precision, so that no result is better than that.
ROUGH: ContextVar[bool] = ContextVar("rough", default=False)


def near(result: Any, expected: Any) -> bool:
    """Equal up to rounding, shapes too; NaN where NaN is expected."""
    rough = ROUGH.get() or (isinstance(result, Tensor) and result.dtype == torch.float16)
    one, two = (torch.as_tensor(x).detach().to(torch.float64) for x in (result, expected))
    tolerance = 3e-2 if rough else 1e-4
    same = one.shape == two.shape
    return same and torch.allclose(one, two, rtol=tolerance, atol=tolerance, equal_nan=True)


def near_where_finite(result: Tensor, expected: Tensor, inputs: Tensor) -> bool:
    """The same, of samples whose inputs are finite: what another one holds must not reach them."""
    rows = inputs.flatten(1).isfinite().all(1)
    return result.shape == expected.shape and near(result[rows], expected[rows])


def double(value: Any) -> Tensor:
    return torch.as_tensor(value).detach().double()


def finite(*values: Any) -> bool:
    return all(bool(torch.as_tensor(value).isfinite().all()) for value in values)


def holds(result: Any, a: dict[str, Any]) -> bool:
    """A container without checks holds the very objects it was given."""
    return all(getattr(result, name) is given for name, given in a.items())


def keeps(result: Any, a: dict[str, Any]) -> bool:
    """A container holds what it was given, numbers in Python's own types."""
    for name, given in a.items():
        held = getattr(result, name)
        if isinstance(given, np.generic):
            given = given.item()
        if isinstance(given, bool) != isinstance(held, bool):
            return False
        if held is not given and (isinstance(held, Tensor) or held != _plain(given)):
            return False
    return True


def _plain(given: Any) -> Any:
    return tuple(given) if isinstance(given, list) else given


SPEC = MultiViewSpec(num_classes=3, patch_dim=8, num_patches=6)
FEATURES = make_features(SPEC, stream(0, "features"))


def batch(n: int = 5) -> PatchBatch:
    return sample_patches(SPEC, FEATURES, n, stream(0, "batch"))


def patch_net(members: int = 2) -> PatchNet:
    settings = {"num_classes": 3, "width": 2, "patch_dim": 8, "sigma_init": 0.5}
    return PatchNet(members=members, **settings, generator=stream(0, "net"))


def mlp(seed: int = 0, **changes: Any) -> MLP:
    settings = {"input_shape": (4,), "num_classes": 3, "widths": (5,)} | changes
    return MLP(**settings, generator=stream(seed, "mlp"))


def normal(*shape: int, name: str = "x") -> Tensor:
    return torch.randn(shape, generator=stream(0, name))


def labels(n: int = 5) -> Tensor:
    return torch.arange(n) % 3
