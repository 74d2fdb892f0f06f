"""A training with everything that must be taken up again; run as a program it can be killed.

``python resumable_training.py CHECKPOINT RESULT [SECONDS]`` sleeps that long before every step.
"""

import sys
import time
from pathlib import Path

import torch
from torch import Tensor, nn

from multiview import stream
from multiview.data.augment import cutout, flip_and_crop
from multiview.models import SideBySide, WideResNet
from multiview.train.checkpoint import Checkpoint
from multiview.train.compute import ComputeSpec
from multiview.train.loop import FitResult, error_score, fit, target_loss
from multiview.train.optim import OptimSpec

SPEC = OptimSpec(epochs=3, batch_size=8, learning_rate=0.05)
STEPS_PER_EPOCH = 5


def build() -> SideBySide:
    """Two nets with BatchNorm and dropout, and a buffer that ``after_step`` writes to."""
    settings = {"depth": 10, "widen": 1, "num_classes": 3, "image_shape": (3, 8, 8), "dropout": 0.3}
    nets = SideBySide(WideResNet(**settings, generator=stream(0, "init", i)) for i in range(2))
    nets.register_buffer("decayed", torch.ones(()))
    return nets


def train(
    module: nn.Module,
    checkpoint: Checkpoint | None = None,
    *,
    spec: OptimSpec = SPEC,
    nap: float = 0.0,
    stop_before: int | None = None,
) -> FitResult:
    """Train; ``stop_before`` raises KeyboardInterrupt at that step, counted from where it began."""
    images = torch.randn(36, 3, 8, 8, generator=stream(0, "images"))
    labels = torch.arange(36) % 3
    taken, plain = [], target_loss(labels)

    def loss(outputs: Tensor, inputs: Tensor, rows: Tensor) -> Tensor:
        time.sleep(nap)
        if len(taken) == stop_before:
            raise KeyboardInterrupt
        taken.append(rows)
        return plain(outputs, inputs, rows)

    def after_step(done: int, total: int) -> None:
        module.get_buffer("decayed").mul_(0.9).add_(done / total)

    return fit(
        module,
        images,
        loss,
        spec,
        stream(0, "order"),
        augment=lambda x, g: cutout(flip_and_crop(x, g, padding=2), g, size=3),
        compute=ComputeSpec(channels_last=True, bfloat16=True),
        score=error_score(images[:12], labels[:12]),
        checkpoint=checkpoint,
        after_step=after_step,
    )


def everything(module: nn.Module, result: FitResult) -> dict[str, Tensor]:
    """Weights, buffers, losses, scores and best states by name."""
    assert result.scores is not None
    found = {"loss": result.loss, "scores": result.scores, **module.state_dict()}
    for i, best in enumerate(result.best):
        found |= {f"best {i} {name}": value for name, value in best.state.items()}
        found[f"best epoch {i}"] = torch.tensor(best.epoch)
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    built = build()
    place = Checkpoint(path=Path(sys.argv[1]), seconds=0)
    done = train(built, place, nap=float(sys.argv[3]))
    torch.save(everything(built, done), sys.argv[2])
