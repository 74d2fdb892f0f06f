"""What the experiments on real images share: networks, recipes, and training groups of nets."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn

from multiview import stream
from multiview.data.augment import cutout, flip_and_crop
from multiview.data.splits import Splits
from multiview.models import MLP, FastNet, FourStageResNet, ResNet, SideBySide, WideResNet
from multiview.runs.experiment import Context
from multiview.train import Checkpoint, ComputeSpec, OptimSpec, error_score, fit, outputs_of
from multiview.train.loop import Loss
from multiview.train.training import Best
from theory_experiments._contrast import Progress, within


class NetSpec(Protocol):
    """Which network, apart from its initial weights."""

    def build(self, splits: Splits, generator: torch.Generator) -> nn.Module:
        """A new network for these images, on their device."""
        ...


@dataclass(frozen=True, kw_only=True)
class Fast:
    """A FastNet behind filters that whiten the training images."""

    widths: tuple[int, int, int] = (64, 256, 256)

    def build(self, splits: Splits, generator: torch.Generator) -> nn.Module:
        """A FastNet."""
        return FastNet(
            widths=self.widths,
            num_classes=splits.num_classes,
            image_shape=splits.image_shape,
            whitening=splits.whitening,
            generator=generator,
        ).to(splits.train.device)


@dataclass(frozen=True, kw_only=True)
class Dense:
    """An MLP."""

    widths: tuple[int, ...]
    input_dropout: float = 0.0
    dropout: float = 0.0

    def build(self, splits: Splits, generator: torch.Generator) -> nn.Module:
        """The MLP."""
        settings = {"num_classes": splits.num_classes, "input_shape": splits.image_shape}
        return MLP(**vars(self), **settings, generator=generator).to(splits.train.device)


@dataclass(frozen=True, kw_only=True)
class Residual:
    """A ResNet of depth 6n + 2, a FourStageResNet of depth 18 or 34, or a WRN-depth-widen."""

    depth: int
    widen: int | None = None  # of a WideResNet

    def build(self, splits: Splits, generator: torch.Generator) -> nn.Module:
        """The residual network."""
        settings = {
            "depth": self.depth,
            "num_classes": splits.num_classes,
            "image_shape": splits.image_shape,
            "generator": generator,
        }
        if self.widen is not None:
            net = WideResNet(widen=self.widen, **settings)
        else:
            net = (FourStageResNet if self.depth in (18, 34) else ResNet)(**settings)
        return net.to(splits.train.device)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How networks are trained on images."""

    optim: OptimSpec
    flip: bool = True
    padding: int = 4  # shifts by up to so many pixels
    cutout: int = 0  # side of the square that is taken out of each image
    smoothing: float = 0.0  # of labels
    compute: ComputeSpec = field(
        default_factory=lambda: ComputeSpec(channels_last=True, bfloat16=True)
    )
    together: int = 1  # nets trained side by side: they share the time a teacher takes

    def augment(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """The images of one epoch."""
        moved = flip_and_crop(images, generator, flip=self.flip, padding=self.padding)
        return cutout(moved, generator, size=self.cutout)


def fast_recipe(epochs: int) -> Recipe:
    """Recipe for a FastNet on a few thousand images: minutes on two cores."""
    optim = OptimSpec(epochs=epochs, batch_size=50, learning_rate=0.3, warmup=0.2)
    return Recipe(optim=optim, padding=1, together=5)


def gpu_recipe(epochs: int) -> Recipe:
    """Recipe for a FastNet on a whole data set; nothing was compared, for want of a GPU."""
    optim = OptimSpec(epochs=epochs, batch_size=500, learning_rate=1.0, warmup=0.2)
    compute = ComputeSpec(channels_last=True, bfloat16=True, compile=True)
    return Recipe(optim=optim, compute=compute, together=10)


@dataclass(frozen=True, kw_only=True)
class Trained:
    """Outputs (samples, members, k) of nets as training left them, and as they were best.

    Best on the validation images, that is, after any epoch.
    """

    nets: list[nn.Module]
    train: Float[Tensor, "n members k"]  # on the images as they are
    test: Float[Tensor, "t members k"]
    best_test: Float[Tensor, "t members k"]
    best_epochs: list[int]


def train_group(
    name: str,
    nets: Sequence[nn.Module],
    recipe: Recipe,
    splits: Splits,
    loss_of: Callable[[slice], Loss],
    *,
    seed: int,
    context: Context,
    span: tuple[float, float] = (0.0, 1.0),
) -> Trained:
    """Train ``nets`` in place, ``recipe.together`` of them at once.

    All of a repetition's nets see the same images in the same order and differ in their initial
    weights alone, as in the paper's definition of an ensemble; what stands beside a net changes it
    by rounding at most.

    Args:
        name: Of the group, in progress and checkpoints.
        loss_of: Of the nets in a slice of ``nets``, side by side.
        span: Part of the cell's work that this is.
    """
    begin, end = span
    best: list[Best] = []
    for first in range(0, len(nets), recipe.together):
        part = slice(first, min(first + recipe.together, len(nets)))
        shares = (begin + (end - begin) * i / len(nets) for i in (part.start, part.stop))
        part_progress = within(context.progress, *shares)
        label = f"{name} {part.start + 1}-{part.stop} of {len(nets)}"
        result = fit(
            SideBySide(nets[part]),
            splits.train,
            loss_of(part),
            recipe.optim,
            stream(seed, "images", "order"),
            augment=recipe.augment,
            progress=partial(_labelled, part_progress, label),
            compute=recipe.compute,
            score=error_score(splits.validation, splits.validation_labels, recipe.compute),
            checkpoint=_checkpoint(context, f"{name} {part.start}"),
        )
        best += result.best
    group, compute = SideBySide(nets), recipe.compute
    return Trained(
        nets=list(nets),
        train=outputs_of(group, splits.train, compute=compute).cpu(),
        test=outputs_of(group, splits.test, compute=compute).cpu(),
        best_test=_best_outputs(nets, best, splits.test, compute).cpu(),
        best_epochs=[each.epoch for each in best],
    )


def _best_outputs(
    nets: Sequence[nn.Module], best: Sequence[Best], images: Tensor, compute: ComputeSpec
) -> Float[Tensor, "n members k"]:
    """The outputs of the nets in their best states; the nets are left as they were."""
    outputs = []
    for net, each in zip(nets, best, strict=True):
        last = {name: value.clone() for name, value in net.state_dict().items()}
        net.load_state_dict(each.state)
        outputs.append(outputs_of(net, images, compute=compute))
        net.load_state_dict(last)
    return torch.stack(outputs, 1)


def _checkpoint(context: Context, name: str) -> Checkpoint | None:
    if context.scratch is None:
        return None
    # Another machine may round filters or channels otherwise: a cell does not stop for that.
    return Checkpoint(path=context.scratch / f"{name.replace(' ', '-')}.pt", strict=False)


def _labelled(progress: Progress, label: str, message: str, fraction: float) -> None:
    progress(f"{label}: {message}", fraction)
