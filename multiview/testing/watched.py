"""Two small networks that note what they are given, and samples that they recognise.

Sample i is a random texture around the level i + 1, so that the median of its values tells which
sample it is also where it was flipped, shifted or cropped. The teacher adds to its logits a large
one for the class n + i, so that the gradient of the student's logits tells from which sample the
logits came that the student was taught.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from multiview.rng import stream

TEXTURE = 0.2  # how far at most a sample's values are from its level
RECOGNISED = 0.3  # how far the median may be from a level
SURE = 8.0  # the teacher's logit for the class that stands for a sample
WIDTH = 16  # of the hidden layer


@dataclass(eq=False)
class Pass:
    """One call of a network."""

    inputs: Float[Tensor, "b ..."]
    samples: Int[Tensor, " b"]  # which they are, -1 where that cannot be told
    training: tuple[bool, ...]  # whether each part of the network was in train mode
    gradient: Float[Tensor, "b k"] | None = None  # of the logits, summed over backward passes


@dataclass(eq=False)
class Log:
    """The calls of a network and of all its copies."""

    passes: list[Pass] = field(default_factory=list)

    def __deepcopy__(self, memo: Any) -> "Log":
        return self

    def note(self, net: nn.Module, inputs: Tensor, num_samples: int) -> Pass:
        """Add a call."""
        seen = inputs.detach().clone().cpu()
        training = tuple(part.training for part in net.modules())
        self.passes.append(Pass(seen, samples_of(seen, num_samples), training))
        return self.passes[-1]


class WatchedTeacher(nn.Module):
    """A network with BatchNorm and dropout whose logits tell which sample they are of."""

    def __init__(self, num_samples: int, input_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.num_samples = num_samples
        self.log = Log()
        self.body = _body(num_samples, input_shape, nn.Dropout(0.5))

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits (b, 2n) of inputs (b, *input_shape)."""
        called = self.log.note(self, inputs, self.num_samples)
        logits = self.body(inputs)
        rows = (called.samples >= 0).nonzero().squeeze(1)
        code = torch.zeros(logits.shape)
        code[rows, self.num_samples + called.samples[rows]] = SURE
        return logits + code.to(logits)


class WatchedStudent(nn.Module):
    """A network with BatchNorm that notes the gradient of its logits."""

    def __init__(self, num_samples: int, input_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.num_samples = num_samples
        self.log = Log()
        self.body = _body(num_samples, input_shape, nn.Identity())

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits (b, 2n) of inputs (b, *input_shape)."""
        called = self.log.note(self, inputs, self.num_samples)
        logits = self.body(inputs)

        def add(gradient: Tensor) -> None:
            found = gradient.detach().float().cpu()
            called.gradient = found if called.gradient is None else called.gradient + found

        if logits.requires_grad:
            logits.register_hook(add)
        return logits


def samples(
    num_samples: int, input_shape: tuple[int, ...], seed: int
) -> tuple[Float[Tensor, "n ..."], Int[Tensor, " n"]]:
    """Samples that the networks recognise; sample i has the label i."""
    texture = torch.rand((num_samples, *input_shape), generator=stream(seed, "watched samples"))
    labels = torch.arange(num_samples)
    levels = (labels + 1.0).view(-1, *(1 for _ in input_shape))
    return levels + TEXTURE * (2 * texture - 1), labels


def samples_of(inputs: Float[Tensor, "b ..."], num_samples: int) -> Int[Tensor, " b"]:
    """Which sample each input is, by the median of its values; -1 where that is no level."""
    medians = inputs.float().flatten(1).median(1).values
    level = medians.round()
    known = ((medians - level).abs() < RECOGNISED) & (level >= 1) & (level <= num_samples)
    return torch.where(known, level - 1, -1).long()


class _Standardised(nn.Module):
    """Flat inputs whose levels run from -1 to 1, so that untrained logits stay far below SURE."""

    def __init__(self, num_samples: int) -> None:
        super().__init__()
        self.middle, self.reach = (num_samples + 1) / 2, (num_samples - 1) / 2

    def forward(self, inputs: Tensor) -> Tensor:
        """Values (b, d)."""
        return (inputs.flatten(1) - self.middle) / self.reach


def _body(num_samples: int, input_shape: tuple[int, ...], dropout: nn.Module) -> nn.Module:
    # Without the first bias, which BatchNorm would take away so that it could not move.
    return nn.Sequential(
        _Standardised(num_samples),
        nn.Linear(math.prod(input_shape), WIDTH, bias=False),
        nn.BatchNorm1d(WIDTH),
        nn.ReLU(),
        dropout,
        nn.Linear(WIDTH, 2 * num_samples),
    )
