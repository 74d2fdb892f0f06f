"""What a training leaves of networks as they were when best on validation samples."""

import torch
from torch import Tensor

from multiview.bench.trainings import Left, part_of
from multiview.train import FitResult

# A network when it was best, its ``epoch`` and "state."; empty where that is not known.
BestState = dict[str, Tensor]


def left_by(result: FitResult) -> Left:
    """The best states that a training leaves, by the numbers of the networks."""
    return {
        f"best.{i}.{name}": value
        for i, best in enumerate(result.best)
        for name, value in {
            "epoch": torch.tensor(best.epoch),
            **{f"state.{key}": each for key, each in best.state.items()},
        }.items()
    }


def best_states(left: Left, number: int) -> list[BestState]:
    """The best state of each of so many networks."""
    return [part_of(left, f"best.{i}") for i in range(number)]
