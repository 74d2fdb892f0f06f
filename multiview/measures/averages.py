"""Averages of 1, 2, ... all networks of one method, beside which they are measured."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from multiview import checks
from multiview.ensemble import mean_logits

MOST_CHOSEN_FROM = 12  # 2^K - 1 averages


@dataclass(frozen=True, kw_only=True)
class Averages:
    """The mean logits of 1, 2, ... K networks of one method, as methods of their own.

    They are called ``<name>_1`` to ``<name>_K``, and each number of theirs is the mean over the
    choices of as many networks.

    Attributes:
        of: Name of the method, which leaves logits (n, K, k).
        choices: "all", which are 2^K in total, or those of a "ring": each network with those that
            follow it, K choices of each size in which every network is equally often.

    Raises:
        ValueError: If ``choices`` is neither.
    """

    of: str = "member"
    name: str = "ensemble"
    choices: Literal["ring", "all"] = "ring"

    def __post_init__(self) -> None:
        checks.choice("choices", self.choices, ("ring", "all"))

    def sizes(self, networks: int) -> dict[str, int]:
        """The averages' names, and of how many networks each is."""
        return {f"{self.name}_{size}": size for size in range(1, networks + 1)}

    def outputs(
        self, outputs: Mapping[str, Tensor]
    ) -> Iterator[tuple[str, Float[Tensor, "n choices k"]]]:
        """The averages' logits, from those of all methods.

        Raises:
            ValueError: If the method leaves the logits of a single network, or there are too many
                choices.
        """
        logits = outputs[self.of]
        if logits.dim() != 3:
            raise ValueError(f"of={self.of!r} is one network: name a method of several.")
        networks = logits.shape[1]
        if self.choices == "ring":
            means = ring_means(logits)
            yield from zip(self.sizes(networks), means.unbind(2), strict=True)
            return
        if networks > MOST_CHOSEN_FROM:
            raise ValueError(
                f"choices='all' of {networks} networks are too many: use choices='ring' for more "
                f"than {MOST_CHOSEN_FROM}."
            )
        for name, size in self.sizes(networks).items():
            sets = combinations(range(networks), size)
            yield name, torch.stack([mean_logits(logits[:, list(each)]) for each in sets], 1)


def ring_means(logits: Float[Tensor, "n K k"]) -> Float[Tensor, "n K sizes k"]:
    """Means of 1, 2, ... all networks: network e and those that follow it, in a ring."""
    networks = logits.shape[1]
    ring = torch.cat([logits, logits], 1)
    total = torch.cat([torch.zeros_like(ring[:, :1]), ring.cumsum(1)], 1)  # (n, 2 K + 1, k)
    sizes = torch.arange(1, networks + 1)
    first = torch.arange(networks).unsqueeze(1)
    window = total[:, first + sizes] - total[:, first]
    return window / sizes.view(-1, 1)
