"""One full-batch gradient of PatchNet ensembles: time and extra memory against its rivals.

    python tests/benchmarks/patch_gradient.py

The limit is the two matrix products a gradient contains, bare, at full size and into memory given
beforehand, which spares the page faults; ratios are of the least times, then of the medians. The
rivals are autograd over the members one by one, torch.func's vmap of grad, and our own passes
without a compiler. All are timed in this process, in turn, nine times, and the gradient keeps its
buffers from call to call, as in training; memory is the peak resident size a process of its own
reaches above its inputs.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any, NamedTuple
from unittest.mock import patch

import torch
from ratio import Ratio, in_turn, peak_of
from rich.console import Console
from rich.table import Table

from multiview import stream
from multiview.models import PatchNet, smoothed_relu
from multiview.train import cross_entropy
from multiview.train import patch_gradient as gradients
from multiview.train.bfloat16 import is_native
from multiview.train.patch_passes import Plain, passes_for
from multiview.train.workspace import Workspace

REPEATS = 9
PRODUCTS = "two products in float32"
AIMED = ("float32", "bfloat16")
RIVALS = ("autograd, member by member", "torch.func vmap of grad")
LEAST_MEMORY = 1 / 20  # of autograd's, aimed at


class Shape(NamedTuple):
    """The sizes of a gradient, and the times the bare products that are aimed at."""

    members: int
    samples: int
    patches: int
    dim: int
    classes: int
    width: int
    float32: float
    bfloat16: float

    def __str__(self) -> str:
        return (
            f"{self.members} nets, N={self.samples}, P={self.patches}, d={self.dim}, "
            f"k={self.classes}, m={self.width}"
        )


SHAPES = (
    Shape(8, 500, 22, 200, 10, 12, 1.10, 0.40),
    Shape(10, 800, 9, 120, 10, 10, 1.12, 0.50),
    Shape(1, 800, 9, 120, 10, 10, 1.12, 0.50),
    Shape(10, 400, 9, 120, 100, 10, 1.10, 0.50),
)
TINY = Shape(2, 20, 4, 8, 3, 2, 0.0, 0.0)  # called before memory is taken


def tasks(shape: Shape) -> dict[str, Callable[[], object]]:
    """The gradient by each method, on the same inputs; first the products."""
    net = PatchNet(
        members=shape.members,
        num_classes=shape.classes,
        width=shape.width,
        patch_dim=shape.dim,
        q=3,
        relu_knee=2.0,
        sigma_init=0.3,
        generator=stream(0, "net"),
    )
    patches = torch.randn(shape.samples, shape.patches, shape.dim, generator=stream(0, "patches"))
    patches /= shape.dim**0.5
    labels = torch.randint(shape.classes, (shape.samples,), generator=stream(0, "labels"))
    flat, x = net.weight.detach().flatten(0, 2), patches.flatten(0, 1)
    z, product = torch.empty(len(flat), len(x)), torch.empty_like(flat)
    objective, rows = cross_entropy(labels, shape.classes), torch.arange(shape.samples)

    def ours(dtype: torch.dtype, passes: Any) -> Callable[[], object]:
        of_type, workspace = patches.to(dtype), Workspace()

        def gradient() -> object:
            with patch.object(gradients, "passes_for", passes):
                return gradients.patch_gradient(net, of_type, objective, rows, workspace=workspace)

        return gradient

    def plain(q: float, weight: torch.Tensor, _: torch.dtype, workspace: Workspace) -> Plain:
        return Plain(q=q, like=weight, workspace=workspace)

    def loss(weight: torch.Tensor) -> torch.Tensor:  # of one member (k, m, d)
        active = smoothed_relu(torch.einsum("kmd,npd->nkmp", weight, patches), net.q, 2.0)
        return torch.nn.functional.cross_entropy(active.sum((2, 3)), labels)

    def autograd() -> list[torch.Tensor]:
        members = [weight.detach().requires_grad_() for weight in net.weight]
        return [torch.autograd.grad(loss(weight), weight)[0] for weight in members]

    return {
        PRODUCTS: lambda: torch.mm(torch.mm(flat, x.T, out=z), x, out=product),
        "float32": ours(torch.float32, passes_for),
        "float32, no compiler": ours(torch.float32, plain),
        "bfloat16": ours(torch.bfloat16, passes_for),
        "bfloat16, no compiler": ours(torch.bfloat16, plain),
        RIVALS[0]: autograd,
        RIVALS[1]: lambda: torch.func.vmap(torch.func.grad(loss))(net.weight.detach()),
    }


def peak_megabytes(name: str) -> float:
    """Peak memory of one call above that before it, in a process of its own."""
    result = subprocess.run([sys.executable, __file__, name], capture_output=True, check=True)
    return float(result.stdout)


def print_peak(name: str) -> None:
    """Child process: call once and print by how much the peak exceeds what the inputs take, MB."""
    print(peak_of(tasks(SHAPES[0])[name], tasks(TINY)[name]))


def aim_of(shape: Shape, name: str) -> float | None:
    """The ratio aimed at; none of bfloat16 where the processor has no such products."""
    if name not in AIMED or (name == "bfloat16" and not is_native(torch.device("cpu"))):
        return None
    return getattr(shape, name)


def ratios() -> Iterator[Ratio]:
    """The gradient of each shape held against its products, in both types."""
    for shape in SHAPES:
        methods = tasks(shape)
        asked = {name: methods[name] for name in (PRODUCTS, *AIMED)}
        times = in_turn(asked, REPEATS, calls=2)
        for name in AIMED:
            yield Ratio(
                what=f"gradient, {name}: {shape}",
                rival=PRODUCTS,
                ours=times[name],
                theirs=times[PRODUCTS],
                aim=aim_of(shape, name),
            )
    for rival in RIVALS:
        yield Ratio(
            what=f"its memory, float32: {SHAPES[0]}",
            rival=rival,
            ours=[peak_megabytes("float32")],
            theirs=[peak_megabytes(rival)],
            aim=LEAST_MEMORY if rival == RIVALS[0] else None,
            unit="MB",
        )


def main() -> None:
    """Print a table for each shape."""
    for shape in SHAPES:
        methods = tasks(shape)
        if shape is not SHAPES[0]:  # the rivals, and memory, once
            methods = dict(list(methods.items())[:5])
        table = Table(title=f"{shape}; {torch.get_num_threads()} threads, {REPEATS} repeats")
        headings = ["least ms", "median ms", "of the products", "median", "aim"]
        headings += ["extra memory, MB"] * (shape is SHAPES[0])
        table.add_column("method")
        for heading in headings:
            table.add_column(heading, justify="right")
        times = in_turn(methods, REPEATS, calls=2)
        floor = times[PRODUCTS]
        for name, values in times.items():
            cells = [f"{1000 * of(values):.1f}" for of in (min, median)]
            cells += [f"{of(values) / of(floor):.2f}" for of in (min, median)]
            aim = aim_of(shape, name)
            cells += ["" if aim is None else f"{aim:.2f}"]
            cells += [f"{peak_megabytes(name):.0f}"] * (shape is SHAPES[0])
            table.add_row(name, *cells)
        Console(width=110).print(table)


if __name__ == "__main__":
    print_peak(sys.argv[1]) if len(sys.argv) > 1 else main()
