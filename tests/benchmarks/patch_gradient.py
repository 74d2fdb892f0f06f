"""One full-batch gradient of a PatchNet ensemble: time and extra memory against its rivals.

    python tests/benchmarks/patch_gradient.py

The limit is the two matrix products a gradient contains, bare and at full size: as one would write
them, and into memory given beforehand, which spares the page faults. Rivals: autograd over the
members one by one, and torch.func's vmap of grad. Each is timed in this process, in turn, nine
times, and the gradient keeps its buffers from call to call, as in training; memory is the peak
resident size a process of its own reaches above its inputs.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch.utils.benchmark import Timer

from multiview import stream
from multiview.models import PatchNet, smoothed_relu
from multiview.train import cross_entropy
from multiview.train.patch_gradient import patch_gradient
from multiview.train.workspace import Workspace

MEMBERS, SAMPLES, PATCHES, DIM, CLASSES, WIDTH = 8, 500, 22, 200, 10, 12
FLOP = 4 * MEMBERS * SAMPLES * PATCHES * DIM * CLASSES * WIDTH
REPEATS = 9


def tasks() -> dict[str, Callable[[], object]]:
    """The gradient by each method, on the same inputs."""
    net = PatchNet(
        members=MEMBERS,
        num_classes=CLASSES,
        width=WIDTH,
        patch_dim=DIM,
        q=3,
        relu_knee=2.0,
        sigma_init=0.3,
        generator=stream(0, "net"),
    )
    patches = torch.randn(SAMPLES, PATCHES, DIM, generator=stream(0, "patches")) / DIM**0.5
    labels = torch.randint(CLASSES, (SAMPLES,), generator=stream(0, "labels"))
    flat, x = net.weight.detach().flatten(0, 2), patches.flatten(0, 1)
    objective, rows = cross_entropy(labels, CLASSES), torch.arange(SAMPLES)
    z, product = torch.empty(len(flat), len(x)), torch.empty_like(flat)
    halves, buffers = patches.bfloat16(), {"float32": Workspace(), "bfloat16": Workspace()}

    def loss(weight: torch.Tensor) -> torch.Tensor:  # of one member (k, m, d)
        active = smoothed_relu(torch.einsum("kmd,npd->nkmp", weight, patches), net.q, 2.0)
        return torch.nn.functional.cross_entropy(active.sum((2, 3)), labels)

    def autograd() -> list[torch.Tensor]:
        members = [weight.detach().requires_grad_() for weight in net.weight]
        return [torch.autograd.grad(loss(weight), weight)[0] for weight in members]

    return {
        "two bare products": lambda: (flat @ x.T) @ x,
        "the same, memory given": lambda: torch.mm(torch.mm(flat, x.T, out=z), x, out=product),
        "patch_gradient": lambda: patch_gradient(
            net, patches, objective, rows, workspace=buffers["float32"]
        ),
        "patch_gradient, bfloat16 products": lambda: patch_gradient(
            net, halves, objective, rows, workspace=buffers["bfloat16"]
        ),
        "autograd, member by member": autograd,
        "torch.func vmap of grad": lambda: torch.func.vmap(torch.func.grad(loss))(
            net.weight.detach()
        ),
    }


def peak_megabytes(name: str) -> float:
    """Peak memory of one call above that before it, in a process of its own."""
    result = subprocess.run([sys.executable, __file__, name], capture_output=True, check=True)
    return float(result.stdout)


def print_peak(name: str) -> None:
    """Child process: call once and print by how much the peak exceeds what the inputs take, MB.

    Linux only: writing 5 there sets the peak back to what is resident now.
    """
    task = tasks()[name]
    Path("/proc/self/clear_refs").write_text("5")
    before = _peak_kilobytes()
    task()
    print((_peak_kilobytes() - before) / 1024)


def _peak_kilobytes() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


def main() -> None:
    """Print the table."""
    methods = tasks()
    times: dict[str, list[float]] = {name: [] for name in methods}
    for _ in range(REPEATS):
        for name, task in methods.items():
            timer = Timer("task()", globals={"task": task}, num_threads=torch.get_num_threads())
            times[name].append(timer.timeit(2).mean)
    median = {name: sorted(values)[REPEATS // 2] for name, values in times.items()}
    limit = median["two bare products"]
    table = Table(
        title=f"One gradient, {MEMBERS} nets, N={SAMPLES}, P={PATCHES}, d={DIM}, k={CLASSES}, "
        f"m={WIDTH}, float32, {torch.get_num_threads()} threads; median of {REPEATS}"
    )
    for heading in ("method", "ms", "GFLOP/s", "times the bare products", "extra memory, MB"):
        table.add_column(heading, justify="left" if heading == "method" else "right")
    for name, seconds in median.items():
        table.add_row(
            name,
            f"{1000 * seconds:.1f}",
            f"{FLOP / seconds / 1e9:.0f}",
            f"{seconds / limit:.2f}",
            f"{peak_megabytes(name):.0f}",
        )
    Console(width=110).print(table)


if __name__ == "__main__":
    print_peak(sys.argv[1]) if len(sys.argv) > 1 else main()
