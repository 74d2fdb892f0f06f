"""Dropout distillation on images: predictors, transfer sets and smaller students of one teacher."""

import itertools
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from multiview import stream
from multiview.data.images import ImageData
from multiview.data.splits import Splits, split
from multiview.distill import averaged_logits, dropout_distillation
from multiview.runs.experiment import Context
from multiview.train import ComputeSpec, OptimSpec, fit, outputs_of, target_loss
from multiview.train.loop import Loss
from multiview.train.stochastic import without_dropout
from theory_experiments._contrast import Progress, error
from theory_experiments._dropout_nets import (
    Quick,
    by_masks,
    divergence_from,
    expectation_linear,
    mean_error,
    pixels_zeroed,
    spread,
)
from theory_experiments._image_nets import Dense

MASKS = (1, 2, 5, 10, 20, 50, 100)
LAYERS = ("hidden", "all")
Row = dict[str, dict[str, Any]]
FAST = ComputeSpec(channels_last=True, bfloat16=True)


@dataclass(frozen=True, kw_only=True)
class ImageDropoutCell:
    """One repetition on one data set; all nets and students share the teacher and the images.

    Dropout of 0.25 to 0.5, 20 and 30 epochs, rates of 0.02 to 0.05 of nets and of 0.005 to 0.02 of
    students were compared on training images held out from training, with seed 1000 and widths of
    (16, 16, 32); the first width and the epochs here are smaller for the time they take.
    """

    seed: int = 0
    part: Literal["mnist", "cifar10", "cifar100"] = "cifar10"
    data: Literal["mnist", "cifar10", "cifar100", "multi_view"] = "cifar10"  # or made up
    num_train: int | None = 2000  # None: all but those for validation
    num_validation: int = 500  # of the training file too, for the choice of settings
    num_test: int | None = 2000  # None: all
    net: Dense | Quick = field(default_factory=Quick)
    teaching: OptimSpec = field(
        default_factory=lambda: OptimSpec(epochs=15, batch_size=50, learning_rate=0.02)
    )
    distilling: OptimSpec = field(  # of students that start as the teacher: a tenth of the epochs
        default_factory=lambda: OptimSpec(epochs=2, batch_size=50, learning_rate=0.005)
    )
    fresh_rate: float = 0.03  # of students with a start of their own, in the teacher's epochs
    zeroed: float = 0.2  # probability of a pixel of the transfer set
    penalty: float | None = None  # weight of the expectation-linear net's, which is trained if so
    shrink: tuple[int, ...] = ()  # factors by which students are smaller
    compute: ComputeSpec = FAST

    def __post_init__(self) -> None:
        if not 0 <= self.zeroed < 1:
            raise ValueError(f"zeroed={self.zeroed} is a probability in [0, 1): use 0 for none.")
        if self.shrink and not isinstance(self.net, Quick):
            raise ValueError(f"shrink={self.shrink} is of a Quick net: leave it empty.")
        if not all(factor > 1 for factor in self.shrink):
            raise ValueError(f"shrink={self.shrink}: factors are > 1; 1 is measured anyway.")


@dataclass(frozen=True, kw_only=True, eq=False)
class Work:
    """The images of a cell, and how nets are trained on them."""

    cell: ImageDropoutCell
    splits: Splits
    progress: Progress

    def new(self, name: str, net: Dense | Quick) -> nn.Module:
        """An untrained net."""
        return net.build(self.splits, stream(self.cell.seed, "init", name))

    def taught_labels(self, name: str, net: nn.Module, loss: Loss | None = None) -> nn.Module:
        """``net``, trained with dropout on the labels."""
        loss = loss or target_loss(self.splits.train_labels)
        generator = stream(self.cell.seed, "order", name)
        settings = {"compute": self.cell.compute, "progress": self._labelled(name)}
        fit(net, self.splits.train, loss, self.cell.teaching, generator, **settings)
        return net

    def distilled(
        self,
        name: str,
        student: nn.Module,
        teacher: nn.Module,
        spec: OptimSpec,
        *,
        images: Tensor | None = None,
        zeroed: bool = True,
    ) -> nn.Module:
        """``student``, taught by the teacher's masks on ``images``, the training ones."""
        dropout_distillation(
            student,
            teacher,
            self.splits.train if images is None else images,
            spec=spec,
            generator=stream(self.cell.seed, "order", name),
            augment=partial(pixels_zeroed, p=self.cell.zeroed) if zeroed else None,
            compute=self.cell.compute,
            progress=self._labelled(name),
        )
        return student

    def _labelled(self, name: str) -> Progress:
        return lambda message, fraction: self.progress(f"{name}: {message}", fraction)

    def logits(self, net: nn.Module) -> Float[Tensor, "t k"]:
        """The net's standard prediction on the test images."""
        return outputs_of(net, self.splits.test, compute=self.cell.compute)

    def error(self, net: nn.Module) -> float:
        """Test error of a net."""
        return error(self.logits(net), self.splits.test_labels)


def run_images(cell: ImageDropoutCell, images: ImageData, context: Context) -> Row:
    """Train a teacher and students, and measure test errors.

    Returns:
        The test ``error`` of all; of ``standard``, the teacher's prediction without masks,
        ``masks_N``, means over N masks, ``distilled``, from a copy of the teacher, ``fresh``, a new
        net taught as long as the teacher was, on images as they are, and where asked for
        ``expectation_linear``: ``cross_entropy`` and ``divergence``, the KL divergence from the
        mean of 100 further masks; of means over fewer masks neither. ``variance`` of a mean over
        masks, or of two students that differ in their draws alone: see ``spread``. Of students by
        the inputs they are taught on (``distilled`` by perturbed ones): ``different_images``, how
        many of those. Of nets trained on labels or taught by masks (``taught_by``), the teacher's
        size shrunk by ``factor`` in some ``layers``: ``parameters``, how many numbers they learn.
        ``train`` of ``standard``: error on the training images, of which there are
        ``train_images``.
    """
    sizes = (cell.num_train, cell.num_validation, cell.num_test)
    splits = split(images, *sizes, stream(cell.seed, "images"), context.device)
    work = Work(cell=cell, splits=splits, progress=context.progress)
    teacher = work.taught_labels("teacher", work.new("teacher", cell.net))
    row = predictors(work, teacher)
    row |= transfer(work, teacher)
    row["distilled"]["different_images"] = len(splits.train)
    row["data"] = {"train_images": len(splits.train)}
    row["standard"]["train"] = error(
        outputs_of(teacher, splits.train, compute=cell.compute), splits.train_labels
    )
    if cell.shrink:
        whole = {"layers": "none", "factor": 1, "parameters": parameters(teacher)}
        row["standard"] |= whole | {"taught_by": "labels"}
        row["fresh"] |= whole | {"taught_by": "masks"}
        row |= compression(work, teacher)
    return row


def predictors(work: Work, teacher: nn.Module) -> Row:
    """Standard prediction, means over masks, and students of them."""
    cell = work.cell
    students = [
        work.distilled(f"distilled {i}", without_dropout(teacher), teacher, cell.distilling)
        for i in range(2)
    ]
    fresh = fresh_student(work, "fresh", cell.net, teacher)
    draw = partial(by_masks, teacher, work.splits.test, max(MASKS), compute=cell.compute)
    first, second = (draw(generator=stream(cell.seed, "masks", name)) for name in ("a", "b"))
    ideal = averaged_logits(second)
    predictions = {
        "standard": work.logits(teacher),
        f"masks_{max(MASKS)}": averaged_logits(first),
        "distilled": work.logits(students[0]),
        "fresh": work.logits(fresh),
    }
    if cell.penalty is not None:
        net = work.new("el", cell.net)
        loss = expectation_linear(net, work.splits.train_labels, cell.penalty, cell.compute)
        predictions["expectation_linear"] = work.logits(work.taught_labels("el", net, loss))
    labels = work.splits.test_labels
    row: Row = {
        f"masks_{masks}": {
            "masks": masks,
            "error": mean_error(first, masks, labels),
            "variance": spread(
                averaged_logits(first[:, :masks]), averaged_logits(second[:, :masks])
            ),
        }
        for masks in MASKS
    }
    for who, logits in predictions.items():
        row.setdefault(who, {"error": error(logits, labels)})
        row[who]["cross_entropy"] = float(nn.functional.cross_entropy(logits, labels))
        row[who]["divergence"] = divergence_from(ideal, logits)
    row["distilled"]["variance"] = spread(predictions["distilled"], work.logits(students[1]))
    return row


def fresh_student(work: Work, name: str, net: Dense | Quick, teacher: nn.Module) -> nn.Module:
    """A new net taught by the teacher's masks for as many epochs as it had itself.

    On the images as they are, on which nets are taught by labels too: what is taught differs alone.
    """
    spec = replace(work.cell.teaching, learning_rate=work.cell.fresh_rate)
    return work.distilled(name, work.new(name, net), teacher, spec, zeroed=False)


def transfer(work: Work, teacher: nn.Module) -> Row:
    """Students of the training images as they are, and of the test images without labels.

    Both take as many steps: test images are repeated, or some left out, for as large an epoch.
    """
    train, test = work.splits.train, work.splits.test
    rows = torch.arange(len(train), device=test.device) % len(test)
    found: Row = {}
    for name, images, different in (
        ("train", train, len(train)),
        ("test", test[rows], min(len(test), len(train))),
    ):
        student = without_dropout(teacher)
        work.distilled(
            f"on {name}", student, teacher, work.cell.distilling, images=images, zeroed=False
        )
        found[f"taught_on_{name}"] = {"different_images": different, "error": work.error(student)}
    return found


def compression(work: Work, teacher: nn.Module) -> Row:
    """Smaller nets, trained with dropout on labels or without by the teacher's masks."""
    cell = work.cell
    assert isinstance(cell.net, Quick)
    found: Row = {}
    for layers, factor in itertools.product(LAYERS, cell.shrink):
        small, name = cell.net.shrunk(factor, layers), f"{layers} / {factor}"
        net = work.taught_labels(f"baseline, {name}", work.new(f"baseline {name}", small))
        student = fresh_student(work, f"distilled, {name}", small, teacher)
        for taught_by, each in (("labels", net), ("masks", student)):
            found[f"{layers}_{factor}_{taught_by}"] = {
                "layers": layers,
                "factor": factor,
                "taught_by": taught_by,
                "parameters": parameters(each),
                "error": work.error(each),
            }
    return found


def parameters(net: nn.Module) -> int:
    """Numbers that the net has learnt."""
    return sum(each.numel() for each in net.parameters())
