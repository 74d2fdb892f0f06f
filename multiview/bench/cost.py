"""What training on images will take, counted before anything begins: cost."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from multiview.bench.cell import Cell
from multiview.bench.images import MADE_UP, ImageSetting
from multiview.bench.method import Method
from multiview.bench.modules import ModuleBench, single_networks
from multiview.bench.trainings import Left
from multiview.bench.types import Context, Course, Fitted, SoftTargets
from multiview.train.bfloat16 import is_native

PROGRAM = 0.6e9  # bytes that Python takes with torch before it holds any sample
STATES = 4  # of a network on disk: when trained, and a checkpoint with momentum and best state
SIZE, REPEATS = 2048, 5  # of the matrix product that costs are held against


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What cells will take.

    Attributes:
        text: All of it in words.
        memory: Bytes that a process takes at once.
        disk: Bytes of trained networks and checkpoints that all cells store, at most.
    """

    text: str
    memory: float
    disk: float = 0.0


@dataclass(frozen=True, kw_only=True)
class NetCost:
    """Cost of one network on one sample."""

    forward: float  # FLOP; a backward pass takes twice as many
    activations: float  # bytes kept for the backward pass
    weights: float  # bytes of parameters and buffers


def cost_of(net: nn.Module, sample: Tensor) -> NetCost:
    """Count a forward pass in train mode.

    Args:
        sample: One input without the axis of the batch, such as an image (C, H, W).
    """
    kept: dict[int, int] = {}
    own = {value.data_ptr() for value in net.parameters()}

    def note(value: Tensor) -> Tensor:
        if value.data_ptr() not in own:
            kept[value.data_ptr()] = value.numel() * value.element_size()
        return value

    batch = torch.stack([sample, sample])  # BatchNorm takes no single value
    net.train()
    with FlopCounterMode(display=False) as counter:
        with saved_tensors_hooks(note, lambda value: value):
            outputs = net(batch)
            activations = sum(kept.values())
        del outputs
    weights = sum(each.numel() * each.element_size() for each in net.state_dict().values())
    return NetCost(
        forward=counter.get_total_flops() / 2, activations=activations / 2, weights=weights
    )


@dataclass(kw_only=True)
class Counted:
    """What training has taken so far.

    Attributes:
        flop: Of all training, teachers included.
        samples: Bytes of all samples, those of training thrice where they are augmented: an epoch's
            own beside those of the last.
        weights: Bytes of all networks.
        at_once: Most bytes of activations, gradients and momentum of what is trained in one go.
        bfloat16: Whether products are in it.
    """

    flop: float = 0.0
    samples: float = 0.0
    weights: float = 0.0
    at_once: float = 0.0
    bfloat16: bool = False

    @property
    def memory(self) -> float:
        """Bytes held at once."""
        return self.samples + self.weights + self.at_once

    @property
    def disk(self) -> float:
        """Bytes of all networks that are stored, checkpoints included, at most."""
        return STATES * self.weights


class CountingBench(ModuleBench):
    """A bench on few samples on which nothing is trained: what training takes is counted.

    Attributes:
        num_train: Number of samples that are really trained on.
        counted: What training takes here and on the benches of ``on``.
    """

    def __init__(self, bench: ModuleBench, num_train: int) -> None:
        where = bench.seed, bench.context, bench.build_pair
        super().__init__(bench.setting, bench.samples, bench.build, *where)
        self.num_train = num_train
        self.counted = Counted(bfloat16=bench.setting.recipe.compute.bfloat16)
        self._arithmetic.exact = True  # without compilation

    def once(self, train: Callable[[], Left]) -> Left:
        """What is counted here, and nowhere else."""
        return train()

    def on(self, inputs: Tensor, labels: Tensor, *how: Any, **given: Any) -> "CountingBench":
        """A bench with other samples; if they are half of the few here, they are half of all."""
        other: Any = super().on(inputs, labels, *how, **given)  # of this class
        other.num_train = round(self.num_train * len(inputs) / len(self.inputs))
        return other

    def fit(
        self,
        nets: Sequence[nn.Module],
        soft: Sequence[SoftTargets | None],
        course: Course = "labels",
        order: str = "student",
    ) -> list[Fitted]:
        """The networks as they are; their training is counted."""
        recipe = getattr(self.setting, "recipe" if course == "labels" else "students")
        singles = [one for net in nets for one in single_networks(net)]
        self._count(singles, course)
        teachers = {each.teacher for each in soft if each is not None}
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            for teacher in teachers:
                teacher(self.inputs[:2])
        # Each part of the networks asks anew; once alone where inputs are as they are.
        asked = -(-len(singles) // recipe.together) * (
            recipe.optim.epochs if recipe.augments else 1
        )
        self.counted.flop += asked * self.num_train * counter.get_total_flops() / 2
        return [Fitted(net=net) for net in nets]

    def training(self, course: Course = "students", order: str = "student") -> dict[str, Any]:
        """One epoch for procedures that train by themselves, each counted as one network."""
        self._count([self.one("counted")], course)
        settings = super().training(course, order)
        return settings | {"spec": replace(settings["spec"], epochs=1), "checkpoint": None}

    def pair(
        self, shared: int, boosters: int, start: str, width: int | None
    ) -> tuple[nn.Module, list[nn.Module]]:
        """A light network, which ``training`` counts, and its boosters, which are counted here."""
        light, others = super().pair(shared, boosters, start, width)
        self._count(others, "students")
        return light, others

    def _count(self, nets: Sequence[nn.Module], course: Course) -> None:
        """Add the training of networks."""
        recipe = getattr(self.setting, "recipe" if course == "labels" else "students")
        each = [cost_of(net, self.inputs[0]) for net in nets]
        forward = sum(one.forward for one in each)
        self.counted.flop += 3 * recipe.optim.epochs * self.num_train * forward
        self.counted.weights += sum(one.weights for one in each)
        bytes_of_each = (
            recipe.optim.batch_size * one.activations + 2 * one.weights for one in each
        )
        most = sum(sorted(bytes_of_each)[-recipe.together :])
        self.counted.at_once = max(self.counted.at_once, most)


def cost(cells: Iterable[Cell], context: Context) -> Cost | None:
    """What the cells with real images will take, as ``Experiment.cost``; None without such."""
    counted: list[tuple[Cell, Counted]] = []
    for cell in cells:
        if not isinstance(cell.setting, ImageSetting) or cell.setting.data == MADE_UP:
            continue
        like = [each for other, each in counted if replace(other, seed=cell.seed) == cell]
        found = like[0] if like else count(cell.setting, cell.methods.values(), context)
        counted.append((cell, found))
    if not counted:
        return None
    memory = PROGRAM + max(each.memory for _, each in counted)
    text = time_and_memory(
        sum(each.flop for _, each in counted),
        memory,
        len(counted),
        context.device,
        all(each.bfloat16 for _, each in counted),
    )
    return Cost(text=text, memory=memory, disk=sum(each.disk for _, each in counted))


def count(setting: ImageSetting, methods: Iterable[Method], context: Context) -> Counted:
    """What the training of these methods takes."""
    images = setting.images(0, context)
    k = images.num_classes
    held_out = min(k, setting.num_validation)  # some settings hold none out
    few = replace(setting, num_train=k, num_validation=held_out, num_test=k)
    whole = len(images.train_labels) - setting.num_validation
    given = few.bench(0, context)
    # Settings may make several samples of an image.
    number = round((setting.num_train or whole) * len(given.inputs) / k)
    bench = CountingBench(given, number)
    tested = setting.num_validation + (setting.num_test or len(images.test_labels))
    augments = setting.recipe.augments or setting.students.augments
    image = bench.inputs[0].numel() * bench.inputs.element_size()
    bench.counted.samples = image * (number * (3 if augments else 1) + tested)
    for method in methods:
        bench.trained(method)
    return bench.counted


def time_and_memory(flop: float, memory: float, cells: int, device: str, bfloat16: bool) -> str:
    """One line for ``Experiment.cost``.

    Args:
        flop: Of all cells.
        memory: Bytes of one cell.
    """
    kind = torch.bfloat16 if bfloat16 and is_native(torch.device(device)) else torch.float32
    rate = gemm_rate(device, kind)
    least = timedelta(seconds=round(flop / rate))
    return (
        f"Expected for {cells} cells: {flop:.1e} FLOP of training, at least {least} at the "
        f"{rate:.1e} FLOP/s of {str(kind).removeprefix('torch.')} products here (small networks "
        f"take several times as long); about {memory / 1e9:.1f} GB of samples, weights, optimiser, "
        "activations and program at once. That is from the beginning: a killed run goes on within "
        "a cell."
    )


def gemm_rate(device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32) -> float:
    """FLOP/s of a large square matrix product, the best of a few; takes about a second on a CPU."""
    matrix = torch.ones(SIZE, SIZE, device=device, dtype=dtype)
    best = 0.0
    for _ in range(REPEATS):
        _wait(matrix)
        begin = time.perf_counter()
        torch.mm(matrix, matrix)
        _wait(matrix)
        best = max(best, 2 * SIZE**3 / (time.perf_counter() - begin))
    return best


def _wait(matrix: Tensor) -> None:
    if matrix.is_cuda:
        torch.cuda.synchronize(matrix.device)
