"""Logits of networks whose ensembles are known: Gaussian noise about a mean, and views."""

import torch
from torch import Tensor

CLASSES = 4


def labels(n: int) -> Tensor:
    """As many of each class."""
    return torch.arange(n) % CLASSES


def noisy(n: int, nets: int, drawn: torch.Generator, noise: float = 1.0) -> list[Tensor]:
    """Networks of a common mean and independent Gaussian noise."""
    own = torch.nn.functional.one_hot(labels(n), CLASSES).double()
    centre = 1.5 * own + torch.randn(n, CLASSES, generator=drawn, dtype=torch.float64)
    return [
        centre + noise * torch.randn(n, CLASSES, generator=drawn, dtype=torch.float64)
        for _ in range(nets)
    ]


def of_views(n: int, nets: int, drawn: torch.Generator, views: int = 200) -> list[Tensor]:
    """Networks that know one of two views of each class, of which each sample shows one.

    A network that does not know a sample's view names another class, by little: the average of K
    errs where none knows the view, on a fraction 2^-K.
    """
    shown = torch.randint(2 * views, (n,), generator=drawn)
    own = torch.nn.functional.one_hot(labels(n), CLASSES).double()
    other = own.roll(1, 1)
    found = []
    for _ in range(nets):
        won = torch.randint(2, (views,), generator=drawn)
        known = (shown % 2 == won[shown // 2]).double()[:, None]
        found.append(9 * known * own + 0.1 * (1 - known) * other)
    return found
