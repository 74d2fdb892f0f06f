"""The random generators that a process has in common: torch's, numpy's and Python's own."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from multiview.rng import stream


@contextmanager
def common_random_state(seed: int, name: str) -> Iterator[None]:
    """Within, what draws from a common generator draws from a stream of its own.

    Afterwards all are as they were.
    """
    generator = stream(seed, "common random state", name)
    drawn = int(torch.randint(2**31, (), generator=generator))
    before = common_states()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
    torch.set_rng_state(generator.get_state())
    np.random.set_state(np.random.RandomState(drawn).get_state())
    random.setstate(random.Random(drawn).getstate())
    try:
        yield
    finally:
        torch.set_rng_state(before["torch"])
        np.random.set_state(before["numpy"])
        random.setstate(before["random"])
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)


def common_states() -> dict[str, Any]:
    """The state of each generator, by its name."""
    return {
        "torch": torch.get_rng_state(),
        "numpy": np.random.get_state(),
        "random": random.getstate(),
    }


def alike(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Names of the generators that are in one and the same state."""
    return [name for name in one if _plain(one[name]) == _plain(other[name])]


def _plain(state: Any) -> Any:
    """A state as tuples of numbers, which can be compared."""
    if isinstance(state, torch.Tensor | np.ndarray):
        return tuple(state.tolist())
    return tuple(map(_plain, state)) if isinstance(state, tuple | list) else state
