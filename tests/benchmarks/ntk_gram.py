"""Empirical kernels of two networks: time, memory and error against rivals and the FLOP floor.

    python tests/benchmarks/ntk_gram.py

Networks: three convolutions and a linear layer (235,722 parameters), and ResNet-20 in eval mode.
Rivals: the Jacobian contraction of the torch.func tutorial, all Jacobians held at once; where
MULTIVIEW_NEURAL_TANGENTS_PYTHON names an interpreter with neural-tangents, its implementations 1
(Jacobian contraction) and 3 (structured derivatives), compiled beforehand. Methods take turns;
times are the median and the minimum, and so are their ratios; beside those of ``gram`` stands the
largest one aimed at. The floor is the arithmetic no layer-wise method can do without, at the rate
of a large float32 product of square matrices, timed in turn with the methods. Memory is the peak a
process of its own reaches in one call above what it had before; the error is the largest
difference from the float64 kernel, relative to its largest entry.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from ratio import Ratio, in_turn, peak_of
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap
from torch.utils.flop_counter import FlopCounterMode

from multiview import stream
from multiview.models import ResNet
from multiview.ntk import gram
from multiview.ntk.gram import Outputs

CASES: list[tuple[str, int, Outputs]] = [
    ("cnn", 64, "trace"),
    ("cnn", 128, "trace"),
    ("cnn", 64, "full"),
    ("cnn", 128, "full"),
    ("resnet20", 64, "trace"),
]


@dataclass(frozen=True, kw_only=True)
class Aims:
    """The largest ratios aimed at: time to the rival's and the floor, memory to the rival's."""

    rival: float | None
    floor: float | None
    memory: float | None


AIMS: dict[tuple[str, int, Outputs], Aims] = {
    ("cnn", 128, "trace"): Aims(rival=0.30, floor=2.0, memory=0.35),
    ("resnet20", 64, "trace"): Aims(rival=0.60, floor=3.0, memory=0.35),
}
NO_AIMS = Aims(rival=None, floor=None, memory=None)
REPEATS, GEMM = 5, 3072
RIVAL, FLOOR = "torch.func Jacobian contraction", "the FLOP floor"
THEIRS = {f"neural-tangents, implementation {i}": i for i in (1, 3)}
VARIABLE = "MULTIVIEW_NEURAL_TANGENTS_PYTHON"


def network(name: str) -> nn.Module:
    """In eval mode; running statistics of BatchNorm as before training."""
    if name == "resnet20":
        return ResNet(depth=20, num_classes=10, generator=stream(0, name)).eval()
    layers: list[nn.Module] = []
    for inputs in (3, 32, 32):
        layers += [nn.utils.skip_init(nn.Conv2d, inputs, 32, 3), nn.ReLU()]
    net = nn.Sequential(*layers, nn.Flatten(), nn.utils.skip_init(nn.Linear, 21632, 10))
    generator = stream(0, name)
    for p in net.parameters():
        std = (2 / p[0].numel()) ** 0.5 if p.dim() > 1 else 0.1
        nn.init.normal_(p, std=std, generator=generator)
    return net.eval()


def images(n: int) -> Tensor:
    return torch.randn(128, 3, 32, 32, generator=stream(0, "images"))[:n]


def contraction(net: nn.Module, x: Tensor, outputs: Outputs) -> Tensor:
    """All Jacobians at once, then an einsum a parameter. Rows and columns share the Jacobians."""
    theta = {name: p.detach() for name, p in net.named_parameters()}
    constants = dict(net.named_buffers())

    def one(theta: dict[str, Tensor], sample: Tensor) -> Tensor:
        return functional_call(net, (theta, constants), (sample[None],))[0]

    jacobians = [j.flatten(2) for j in vmap(jacrev(one), (None, 0))(theta, x).values()]
    rule = "iap,jbp->ijab" if outputs == "full" else "iap,jap->ij"
    return torch.stack([torch.einsum(rule, j, j) for j in jacobians]).sum(0)


def methods(name: str, n: int, outputs: Outputs) -> dict[str, Callable[[], Tensor]]:
    """The kernel by each method of this process, on the same inputs."""
    net, x = network(name), images(n)
    return {
        "gram": partial(gram, net, x, outputs=outputs),
        'gram, method="jacobian"': partial(gram, net, x, outputs=outputs, method="jacobian"),
        RIVAL: partial(contraction, net, x, outputs),
    }


@dataclass(frozen=True)
class Shape:
    """A layer's weight, (units, inputs), applied at so many positions of each sample."""

    units: int
    inputs: int
    positions: int


def shapes(net: nn.Module, x: Tensor) -> list[Shape]:
    """Of the layers with a matrix, in order of the forward pass; checked by torch's counter."""
    found: list[Shape] = []

    def note(layer: nn.Module, _: object, output: Tensor) -> None:
        weight = layer.get_parameter("weight")
        found.append(Shape(len(weight), weight[0].numel(), output[0].numel() // len(weight)))

    layers = [layer for layer in net.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(note) for layer in layers]
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(x[:1])
    for hook in hooks:
        hook.remove()
    assert counter.get_total_flops() == sum(2 * s.units * s.inputs * s.positions for s in found)
    return found


def floor_flop(layers: list[Shape], n: int, num_outputs: int, outputs: Outputs) -> int:
    """Operations of a symmetric kernel: passes and, for each layer, the cheaper contraction.

    One forward pass; for every output a backward pass to the outputs of every layer; then either
    all per-sample weight gradients and their inner products, or for each pair of samples the inner
    products of inputs and of output gradients at each pair of positions, multiplied and added.
    Norms and biases are left out. Behind the last layer, gradients are the identity.
    """
    pairs = n * (n + 1) // 2
    kernels = num_outputs**2 if outputs == "full" else num_outputs  # inner products of gradients
    combined = kernels if outputs == "full" else 1  # products with those of the inputs
    total = 0
    for i, layer in enumerate(layers):
        one = layer.units * layer.inputs * layer.positions
        total += n * one * (1 if i == 0 else 1 + num_outputs)  # nothing needs the pixels' gradient
        if i == len(layers) - 1:
            total += pairs * layer.inputs
            continue
        direct = n * num_outputs * one + pairs * kernels * layer.units * layer.inputs
        each = layer.inputs + kernels * layer.units + combined
        total += min(direct, pairs * layer.positions**2 * each)
    return 2 * total


class NeuralTangents:
    """A process of neural-tangents that holds the networks and compiles each kernel once."""

    def __init__(self, python: str, folder: Path) -> None:
        self.folder = folder
        given: dict[str, Any] = {"x": images(128).numpy()}
        for name in {name for name, _, _ in CASES}:
            net = network(name)
            kept = [b for b in net.buffers() if b.is_floating_point()]
            for kind, tensors in (("weight", list(net.parameters())), ("constant", kept)):
                given |= {f"{name}_{kind}{i}": t.detach().numpy() for i, t in enumerate(tensors)}
        np.savez(folder / "arrays.npz", **given)
        self.command = [python, str(Path(__file__).with_name("neural_tangents_gram.py"))]
        self.command += [str(folder / "arrays.npz"), str(torch.get_num_threads())]
        self.process = self._start()

    def _start(self) -> subprocess.Popen:
        return subprocess.Popen(
            self.command,
            text=True,
            env=os.environ | {"JAX_PLATFORMS": "cpu"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def ask(self, case: tuple[str, int, Outputs], implementation: int, alone: bool = False) -> dict:
        """Compute once; ``alone`` in a new process."""
        process = self._start() if alone else self.process
        line = " ".join(map(str, (*case, implementation, self.folder / "kernel.npy")))
        assert process.stdin
        assert process.stdout
        print(line, file=process.stdin, flush=True)
        answer = process.stdout.readline()
        if alone or not answer:
            process.communicate()
        if not answer:  # the process aborted, as XLA does where oneDNN refuses a convolution
            self.process = self._start()
            return {"error": f"its process ended with code {process.returncode}"}
        return json.loads(answer)

    def seconds(self, case: tuple[str, int, Outputs], implementation: int) -> float:
        """What computing a kernel took, by its own clock.

        Raises:
            RuntimeError: If it failed.
        """
        answer = self.ask(case, implementation)
        if "error" in answer:
            raise RuntimeError(f"neural-tangents, {case}: {answer['error']}")
        return float(answer["seconds"])

    def kernel(self, outputs: Outputs) -> Tensor:
        """The one computed last; their trace is a mean over the 10 outputs, ours a sum."""
        found = torch.from_numpy(np.load(self.folder / "kernel.npy"))
        return found if outputs == "full" else 10 * found


def print_peak(name: str, n: str, outputs: Any, method: str) -> None:
    """Child process: call once and print by how much the peak exceeds what the inputs take, MB."""
    small = methods(name, 2, outputs)[method]
    print(peak_of(methods(name, int(n), outputs)[method], small))


def floor_tasks(case: tuple[str, int, Outputs]) -> tuple[dict[str, Callable[[], object]], float]:
    """A large product, under the name of the floor, and how many of it are the floor."""
    square = torch.randn(GEMM, GEMM, generator=stream(0, "square"))
    flop = floor_flop(shapes(network(case[0]), images(1)), case[1], 10, case[2])
    return {FLOOR: partial(torch.mm, square, square)}, flop / (2 * GEMM**3)


def taken(
    case: tuple[str, int, Outputs], tasks: Mapping[str, Callable[[], object]]
) -> dict[str, list[float]]:
    """Seconds of each task in turn with those of the floor."""
    products, number = floor_tasks(case)
    times = in_turn({**products, **tasks}, REPEATS)
    return times | {FLOOR: [number * each for each in times[FLOOR]]}


def peak(case: tuple[str, int, Outputs], method: str) -> float:
    """Peak memory of one call above what the inputs take, MB, in a process of its own."""
    command = [sys.executable, __file__, *map(str, case), method]
    return float(subprocess.run(command, capture_output=True, check=True).stdout)


def ratios() -> Iterator[Ratio]:
    """Our kernels held against torch.func and the floor, wherever an aim was set."""
    for case, aims in AIMS.items():
        tasks = {name: task for name, task in methods(*case).items() if name in ("gram", RIVAL)}
        times = taken(case, tasks)
        name, n, outputs = case
        for rival, aim in ((RIVAL, aims.rival), (FLOOR, aims.floor)):
            what = f"kernel: {name}, N={n}, {outputs}"
            yield Ratio(what=what, rival=rival, ours=times["gram"], theirs=times[rival], aim=aim)
        megabytes = [[peak(case, method)] for method in ("gram", RIVAL)]
        yield Ratio(
            what=f"its memory: {name}, N={n}, {outputs}",
            rival=RIVAL,
            ours=megabytes[0],
            theirs=megabytes[1],
            aim=aims.memory,
            unit="MB",
        )


def measure(case: tuple[str, int, Outputs], theirs: NeuralTangents | None) -> Table:
    """One table: every method on one kernel."""
    name, n, outputs = case
    tasks = methods(*case)
    exact = gram(network(name), images(n), outputs=outputs, method="jacobian", dtype=torch.float64)
    kernels = {method: task() for method, task in tasks.items()}
    megabytes = {method: peak(case, method) for method in tasks}
    timed: dict[str, Callable[[], object]] = dict(tasks)
    for method, implementation in THEIRS.items() if theirs else ():
        assert theirs
        first = theirs.ask(case, implementation)
        if "error" in first:
            print(f"{method} left out: {first['error']}")
            continue
        timed[method] = partial(theirs.seconds, case, implementation)
        kernels[method] = theirs.kernel(outputs)
        megabytes[method] = theirs.ask(case, implementation, alone=True)["megabytes"]

    times = taken(case, timed)
    floor = times.pop(FLOOR)
    table = Table(
        title=f"{name}, N={n}, {outputs}, float32, {torch.get_num_threads()} threads, {REPEATS} "
        f"turns: median and minimum; floor {_both(floor)} s"
    )
    for heading in ("method", "s", "x torch.func", "x floor", "MB", "x torch.func", "error"):
        table.add_column(heading, justify="left" if heading == "method" else "right")
    aims = AIMS.get(case, NO_AIMS)
    for method, values in times.items():
        difference = (kernels[method].double() - exact).abs().max() / exact.abs().max()
        ours = aims if method == "gram" else NO_AIMS
        table.add_row(
            method,
            _both(values),
            _both(values, times[RIVAL], ours.rival),
            _both(values, floor, ours.floor),
            f"{megabytes[method]:.0f}",
            f"{megabytes[method] / megabytes[RIVAL]:.2f}{_aim(ours.memory)}",
            f"{difference:.0e}",
        )
    return table


def _both(values: list[float], others: list[float] | None = None, aim: float | None = None) -> str:
    """Median and minimum, or their ratios to those of ``others``, and the ratio aimed at."""
    found = [of(values) / (of(others) if others else 1) for of in (median, min)]
    return "{:.2f}, {:.2f}".format(*found) + _aim(aim)


def _aim(aim: float | None) -> str:
    return f" (aim {aim:.2f})" if aim else ""


def main() -> None:
    """Print a table for each kernel."""
    with tempfile.TemporaryDirectory() as folder:
        python = os.environ.get(VARIABLE)
        theirs = NeuralTangents(python, Path(folder)) if python else None
        for case in CASES:
            Console(width=110).print(measure(case, theirs))
        if theirs:
            theirs.process.communicate()


if __name__ == "__main__":
    print_peak(*sys.argv[1:]) if len(sys.argv) > 1 else main()
