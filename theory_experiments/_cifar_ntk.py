"""Three kinds of fixed-feature models of untrained nets on images, each by the four methods."""

from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from multiview import stream
from multiview.data.images import ImageData
from multiview.ntk import centred_one_hot, gram, kernel_methods
from multiview.ntk.methods import descent_methods
from multiview.runs.experiment import Context
from theory_experiments._contrast import (
    Outputs,
    Progress,
    Row,
    errors_by_method,
    of_model,
    with_first,
)
from theory_experiments._image_contrast import (
    Cost,
    ImageCell,
    SmallNet,
    WideNet,
    expected_cost,
)
from theory_experiments._image_data import images_for

# In the order they are fit in: tangent kernels by ridge regression and by descent; last layers.
MODELS = ("kernel", "linearised", "last_layer")


@dataclass(frozen=True, kw_only=True)
class KernelCell:
    """One repetition: images and initialisations depend on ``seed``.

    The settings of fits were compared on 1,000 training images of CIFAR-10 held out from 1,500
    others (``ImageData.hold_out``, seeds 1000 to 1002, ensembles of 5), each for the error of the
    one model it belongs to: ridges 0.003, 0.01, ..., 3 of one model; 0.001, ..., 0.3 of the
    student; every 200 steps up to 1,600 of two members (1,200 err least: training is stopped early)
    and every 500 up to 4,000 of the student; temperatures 1, 2 and 4 at half that rate, which
    differ by less than 0.005 after 3,000 steps. The rate is the largest of 4, 5, 6 and 8 times the
    safe one; the loss fell at each step. CIFAR-100 has the same settings: none were compared there.
    """

    seed: int = 0
    data: Literal["cifar10", "cifar100", "multi_view"] = "cifar10"
    num_train: int = 1500
    num_test: int = 1500
    members: int = 10  # they share the images, not the initialisation
    net: SmallNet | WideNet = field(default_factory=SmallNet)
    # Ridges are relative to a kernel's mean diagonal. A student's is smaller: its targets have been
    # shrunk once already.
    ridge: float = 0.3
    student_ridge: float = 0.01
    last_layer_ridge: float = 1.0
    last_layer_student_ridge: float = 0.1
    steps: int = 1200  # of the linearised members and their sum
    student_steps: int = 3500
    relative_rate: float = 8.0  # to the rate that is safe for any probabilities
    temperature: float = 2.0

    def __post_init__(self) -> None:
        if self.members < 2:
            raise ValueError(f"members={self.members} is no ensemble: use at least 2.")


def images_of(cell: KernelCell, context: Context) -> ImageData:
    """The data set of the cell."""
    sizes = {"n_train": cell.num_train, "n_test": cell.num_test}
    return images_for(cell.data, context, seed=cell.seed, **sizes)


def run_models(
    cell: KernelCell,
    images: ImageData,
    progress: Progress = lambda message, fraction: None,
    device: str = "cpu",
) -> Row:
    """Errors of the three models on a class-balanced subset of ``images``.

    Args:
        device: Where features and kernels are computed; they are fit on the CPU.

    Returns:
        ``error`` by the methods of ``errors_by_method``, whose names begin with their ``model``,
        one of ``MODELS``. Each student has the features of member 0, which alone is ``first``. And
        ``jitter``, the largest any ridge regression needed.
    """
    if images.name != cell.data:
        raise ValueError(f"data={cell.data!r}, but the images are {images.name}: load those.")
    subset = stream(cell.seed, "cifar_ntk", "subset")
    data = images.subset(cell.num_train, cell.num_test, subset)
    train, test = (x.to(device) for x in data.standardised())
    nets = [
        cell.net.build(data, stream(cell.seed, "cifar_ntk", "init", i)).to(device)
        for i in range(cell.members)
    ]
    targets = centred_one_hot(data.train_labels, data.num_classes)
    last = kernel_methods(
        (last_layer_kernels(net, train, test) for net in nets),
        targets,
        cell.last_layer_ridge,
        student_ridge=cell.last_layer_student_ridge,
    )
    tangent = []  # for two models
    for i, net in enumerate(nets):
        progress(f"kernel {i + 1}/{cell.members}", 0.05 + 0.75 * i / cell.members)
        own = gram(net, train, outputs="trace"), gram(net, test, train, outputs="trace")
        tangent.append((own[0].cpu(), own[1].cpu()))
    progress("regressions", 0.8)
    ntk = kernel_methods(tangent, targets, cell.ridge, student_ridge=cell.student_ridge)
    progress("descents", 0.85)
    linearised = descent_methods(
        tangent,
        targets + 1 / data.num_classes,
        steps=cell.steps,
        student_steps=cell.student_steps,
        temperature=cell.temperature,
        relative_rate=cell.relative_rate,
    )
    progress("done", 1.0)
    row: Row = {"data": {"jitter": max(ntk.jitter, last.jitter)}}
    for model, found in zip(MODELS, (ntk, linearised, last), strict=True):
        outputs = Outputs(single=found.single, summed=found.summed, distilled=found.distilled)
        errors = errors_by_method(outputs, data.test_labels, "error")
        row |= of_model(model, with_first(errors, "error"), f"{model}_")
    return row


def last_layer_kernels(
    net: nn.Module, train: Float[Tensor, "n C H W"], test: Float[Tensor, "t C H W"]
) -> tuple[Float[Tensor, "n n"], Float[Tensor, "t n"]]:
    """The tangent kernel of the last linear layer alone, of one output: <a, a'> + 1.

    a are the layer's inputs; the 1 is the bias's. ``gram`` of the net with all else frozen is the
    same, but passes back through all layers to find out.
    """
    a, b = (last_inputs(net, x).double() for x in (train, test))
    return (a @ a.mT + 1).cpu(), (b @ a.mT + 1).cpu()


def last_inputs(net: nn.Module, x: Float[Tensor, "n C H W"]) -> Float[Tensor, "n features"]:
    """What the net's last linear layer is given."""
    last = [layer for layer in net.modules() if isinstance(layer, nn.Linear)][-1]
    seen: list[Tensor] = []
    hook = last.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        with torch.no_grad():
            for part in x.split(500):
                net(part)
    finally:
        hook.remove()
    return torch.cat(seen)


def expected_kernel_cost(cell: KernelCell, images: ImageData, device: str = "cpu") -> Cost:
    """Products of kernels, factorisations and descents; all else is left out."""
    same = ImageCell(
        num_train=cell.num_train, num_test=cell.num_test, members=cell.members, net=cell.net
    )
    n, t, fits = cell.num_train, cell.num_test, cell.members + 2
    steps = (cell.members + 1) * cell.steps + cell.student_steps
    return replace(
        expected_cost(same, images, device),
        solves=2 * fits * n**3 / 3 + steps * 2 * n * n * images.num_classes,
        training=0.0,
        # Of all members and their sum; beside them a copy and its factor. float64.
        memory=8 * ((cell.members + 1) * n * (n + t) + 2 * n * n),
    )
