"""Trainings: what each training of a bench leaves, asked of the context, and how long it took."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from multiview.bench.method import Method
from multiview.bench.schedule import Together
from multiview.bench.types import Context

# What a training leaves: tensors by name.
Left = Mapping[str, Tensor]
SECONDS = "seconds"


class Trainings:
    """The trainings of one bench and of those made from it.

    Each is known by the setting and seed, the methods trained in one go and its number among their
    trainings. The context says what it leaves: it may have been done elsewhere.

    Attributes:
        methods: Those being trained; empty where what is trained has no such description.
        number: Of trainings of theirs so far.
        only: The methods of which only the training of this number is wanted, or all for None.
        resumed: Whether times are not known, as trainings go on from checkpoints.
    """

    def __init__(self, setting: Any, seed: int, context: Context, resumed: bool) -> None:
        self.setting, self.seed, self.context, self.resumed = setting, seed, context, resumed
        self.methods: Together = ()
        self.number = self._files = 0
        self.only: tuple[Together, int | None] | None = None
        self._seconds: dict[Method, float] = {}
        self._spared = 0.0

    @contextmanager
    def of(self, methods: Sequence[Method], described: bool) -> Iterator[None]:
        """Within, these methods are trained.

        Args:
            described: Whether they are trained on the samples of the setting, as it has them.
        """
        outer = self.methods, self._spared
        before = self.number, self._files
        self.methods, self._spared = tuple(methods) if described else (), 0.0
        if described:
            self.number = self._files = 0
        begin = time.perf_counter()
        try:
            yield
            if described and len(methods) == 1:
                self._synchronize()
                seconds = time.perf_counter() - begin + self._spared
                self._seconds[methods[0]] = math.nan if self.resumed else seconds
        finally:
            self.methods, self._spared = outer
            if described:
                self.number, self._files = before

    def seconds(self, method: Method) -> float:
        """The wall time of a method's own training; NaN if it is not known."""
        return self._seconds.get(method, math.nan)

    def once(self, train: Callable[[], Left]) -> Left:
        """What a training leaves, done here or elsewhere; empty if it is not wanted."""
        number, self.number, self._files = self.number, self.number + 1, 0
        if not self.methods:
            return train()
        wanted = self.only is None or self.only[0] != self.methods or self.only[1] in (None, number)
        if not wanted:
            return {}
        description = {
            "setting": self.setting,
            "seed": self.seed,
            "methods": self.methods,
            "training": number,
        }
        begin = time.perf_counter()
        left = self.context.artefact(description, lambda: self._timed(train))
        self._spared += float(left[SECONDS]) - (time.perf_counter() - begin)
        return left

    def file(self) -> str:
        """Name of a file for the training that comes; of the same methods no other has it."""
        self._files += 1
        return f"{'' if self.methods else 'other-'}{self.number}-{self._files}"

    def _timed(self, train: Callable[[], Left]) -> Left:
        """What it leaves, and its wall time."""
        begin = time.perf_counter()
        left = train()
        self._synchronize()
        seconds = math.nan if self.resumed else time.perf_counter() - begin
        return {**left, SECONDS: torch.tensor(seconds, dtype=torch.float64)}

    def _synchronize(self) -> None:
        """Wait until the device has done what it was told."""
        if torch.device(self.context.device).type == "cuda":
            torch.cuda.synchronize()


def slices(sizes: Sequence[int]) -> Iterator[slice]:
    """Consecutive slices of these sizes."""
    first = 0
    for size in sizes:
        yield slice(first, first + size)
        first += size


def states_of(nets: Sequence[nn.Module], name: str = "net") -> dict[str, Tensor]:
    """The states of networks, as ``load_states`` takes them."""
    return {
        f"{name}.{i}.{key}": value
        for i, net in enumerate(nets)
        for key, value in net.state_dict().items()
    }


def part_of(left: Left, name: str) -> dict[str, Tensor]:
    """What stands in ``left`` under names that begin with ``name`` and a dot."""
    prefix = f"{name}."
    return {
        key.removeprefix(prefix): value for key, value in left.items() if key.startswith(prefix)
    }


def load_states(nets: Sequence[nn.Module], left: Left, name: str = "net") -> None:
    """Give networks the states that ``states_of`` took, and leave them in eval mode."""
    for i, net in enumerate(nets):
        net.load_state_dict(part_of(left, f"{name}.{i}"))
        net.eval()
