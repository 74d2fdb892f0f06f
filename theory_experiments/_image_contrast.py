"""The eight classifiers of ``ensemble_vs_ntk`` on real images.

A convolutional net and its tangent kernel at initialisation, each as one model, as an ensemble, as
a sum trained directly, and distilled from the ensemble.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from multiview import stream
from multiview.data.augment import flip_and_crop
from multiview.data.images import ImageData, ImageName
from multiview.distill import Hinton, distillation_loss, ensemble_teacher
from multiview.ensemble import mean_probabilities
from multiview.models import ConvNet, SideBySide, SumOfNets, WideResNet
from multiview.ntk import centred_one_hot, gram, kernel_methods, plan_gram
from multiview.train import OptimSpec, fit, outputs_of, target_loss
from multiview.train.loop import Loss
from multiview.train.metrics import wrong
from theory_experiments._contrast import (
    Outputs,
    Progress,
    Row,
    error,
    errors_by_method,
    of_model,
    with_first,
    within,
)


@dataclass(frozen=True, kw_only=True)
class SmallNet:
    """A ConvNet, whose kernel of some thousand images takes seconds on a CPU."""

    widths: tuple[int, int] = (16, 40)

    def build(self, data: ImageData, generator: torch.Generator) -> nn.Module:
        """A network for these images."""
        return ConvNet(
            image_shape=image_shape(data),
            num_classes=data.num_classes,
            widths=self.widths,
            generator=generator,
        )


@dataclass(frozen=True, kw_only=True)
class WideNet:
    """A WideResNet with GroupNorm: untrained, BatchNorm has no statistics to normalise with."""

    depth: int = 16
    widen: int = 4

    def build(self, data: ImageData, generator: torch.Generator) -> nn.Module:
        """A network for these images."""
        return WideResNet(
            depth=self.depth,
            widen=self.widen,
            num_classes=data.num_classes,
            image_shape=image_shape(data),
            norm="group",
            generator=generator,
        )


def image_shape(data: ImageData) -> tuple[int, int, int]:
    """(channels, height, width)."""
    _, channels, height, width = data.train_images.shape
    return channels, height, width


@dataclass(frozen=True, kw_only=True)
class ImageCell:
    """One repetition: images, initialisations and training orders all depend on ``seed``.

    Rates, augmentation and ridge were chosen on training images held out from training
    (``ImageData.hold_out``), each for the error of the model it belongs to. MNIST has the rates of
    CIFAR-10 and a ridge of its own.
    """

    seed: int = 0
    data: ImageName = "cifar10"
    num_train: int = 2500
    num_test: int = 2000
    members: int = 5  # they share the images, not the initialisation
    net: SmallNet | WideNet = field(default_factory=SmallNet)
    # Of the members and of their sum.
    optim: OptimSpec = field(default_factory=lambda: OptimSpec(epochs=20))
    student_rate: float = 0.02  # T^2 KL beside cross-entropy is a larger loss: a smaller rate
    flip: bool = True  # augmentation, of the networks only: mirror images
    padding: int = 0  # and shifts by up to so many pixels
    temperature: float = 4.0  # of the distilled net
    ridge: float = 0.1  # of the kernels, relative to their mean diagonal

    def __post_init__(self) -> None:
        if self.members < 2:
            raise ValueError(f"members={self.members} is no ensemble: use at least 2.")


CIFAR10 = ImageCell()
# A digit's mirror image is no digit.
MNIST = ImageCell(data="mnist", num_train=1000, optim=OptimSpec(epochs=40), flip=False, ridge=0.03)


def run_images(
    cell: ImageCell,
    images: ImageData,
    progress: Progress = lambda message, fraction: None,
    device: str = "cpu",
) -> Row:
    """Errors of the eight classifiers, trained and tested on a class-balanced subset of ``images``.

    Args:
        device: Where networks are trained and kernels computed; kernels are solved on the CPU,
            whose memory they need.

    Returns:
        ``error`` by the methods of ``errors_by_method`` for networks, and with ``kernel_`` before
        their names for kernels. The kernel's student has the features of member 0, which alone is
        ``kernel_first``. Also of ``ensemble_probabilities`` (mean of probabilities in place of
        logits), and ``train``, the members' mean error on the training images as they are.
    """
    if images.name != cell.data:
        raise ValueError(f"data={cell.data!r}, but the images are {images.name}: load those.")
    data = images.subset(cell.num_train, cell.num_test, stream(cell.seed, "real images", "subset"))
    train, test = (images.to(device) for images in data.standardised())
    nets = [_net(cell, data, device, "member", i) for i in range(cell.members)]
    # Kernels first: they are those of the initial weights, which training changes.
    targets = centred_one_hot(data.train_labels, data.num_classes)
    kernels = _kernels(nets, train, test, within(progress, 0.0, 0.5))
    ntk = kernel_methods(kernels, targets, cell.ridge)
    kernel = Outputs(single=ntk.single, summed=ntk.summed, distilled=ntk.distilled)
    network = _train_networks(cell, nets, data, train, test, within(progress, 0.5, 1.0))
    labels, fitted = data.test_labels, outputs_of(SideBySide(nets), train).cpu()
    row = of_model("network", errors_by_method(network, labels, "error"))
    by_kernels = with_first(errors_by_method(kernel, labels, "error"), "error")
    row |= of_model("kernel", by_kernels, "kernel_")
    row["member"]["train"] = float(wrong(fitted, data.train_labels).double().mean())
    averaged = error(mean_probabilities(network.single), labels)
    return row | {
        "ensemble_probabilities": {"error": averaged},
        "data": {"kernel_jitter": ntk.jitter},
    }


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a cell takes, counted before it runs."""

    kernels: float  # FLOP
    solves: float  # FLOP in float64, on the CPU
    training: float  # FLOP
    memory: float  # bytes of kernels held at once


def expected_cost(cell: ImageCell, images: ImageData, device: str = "cpu") -> Cost:
    """Products of convolutions, linear layers, kernels and factorisations; all else is left out."""
    net = _net(cell, images, device, "member", 0)
    image = torch.zeros(1, *image_shape(images), device=device)
    n, t = cell.num_train, cell.num_test
    own = plan_gram(net, image, n, outputs="trace")
    cross = plan_gram(net, image, t, n, outputs="trace")
    forward = 2 * sum(x.groups * x.units * x.inputs * x.positions for x in own.layers)
    trainings = 2 * cell.members + 1  # members, their sum and the student; a backward pass is two
    passes = 3 * trainings + cell.members  # the student also asks its teachers
    return Cost(
        kernels=cell.members * (own.flop + cross.flop),
        solves=(cell.members + 2) * n**3 / 3,
        training=cell.optim.epochs * n * forward * passes,
        # Of this member, of the first, and the sum; beside them a copy and its factor. float64.
        memory=8 * (3 * n * (n + t) + 2 * n * n),
    )


def _kernels(
    nets: list[nn.Module], train: Tensor, test: Tensor, progress: Progress
) -> Iterator[tuple[Tensor, Tensor]]:
    """K(train, train) and K(test, train) of each net, one kernel for all classes: the trace."""
    for i, net in enumerate(nets):
        progress(f"kernel {i + 1}/{len(nets)}", i / len(nets))
        yield gram(net, train, outputs="trace").cpu(), gram(net, test, train, outputs="trace").cpu()


def _train_networks(
    cell: ImageCell,
    nets: list[nn.Module],
    data: ImageData,
    train: Float[Tensor, "n C H W"],
    test: Float[Tensor, "t C H W"],
    progress: Progress,
) -> Outputs:
    """Train the members in place, and a sum of as many nets and a student from fresh starts."""
    augment = partial(flip_and_crop, flip=cell.flip, padding=cell.padding)
    device = train.device
    label_loss = target_loss(data.train_labels.to(device))
    works = 2 * cell.members + 2  # in trainings of one net; the student also asks its teachers

    def train_one(
        module: nn.Module,
        name: str,
        loss: Loss,
        begin: int,
        end: int,
        optim: OptimSpec = cell.optim,
    ) -> None:
        part = within(progress, begin / works, end / works)
        fit(
            module,
            train,
            loss,
            optim,
            stream(cell.seed, "real images", "order", name),
            augment=augment,
            progress=lambda message, fraction: part(f"{name}: {message}", fraction),
        )

    for i, net in enumerate(nets):
        train_one(net, f"member {i}", label_loss, i, i + 1)
    summed = SumOfNets(_net(cell, data, device, "sum", i) for i in range(cell.members))
    train_one(summed, "sum", label_loss, cell.members, 2 * cell.members)
    student = _net(cell, data, device, "student", 0)
    gentle = replace(cell.optim, learning_rate=cell.student_rate)
    on_teacher = distillation_loss(
        data.train_labels.to(device),
        ensemble_teacher(nets, "logits"),
        Hinton(cell.temperature),
    )
    train_one(student, "student", on_teacher, 2 * cell.members, works, gentle)
    single = outputs_of(SideBySide(nets), test).cpu()
    both = outputs_of(SideBySide([summed, student]), test).cpu()
    return Outputs(single=single, summed=both[:, 0], distilled=both[:, 1])


def _net(
    cell: ImageCell, data: ImageData, device: str | torch.device, name: str, index: int
) -> nn.Module:
    generator = stream(cell.seed, "real images", "init", name, index)
    return cell.net.build(data, generator).to(device)
