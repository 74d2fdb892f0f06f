"""How the cost of training and of kernels grows with each size, as exponents of power laws.

    python tests/benchmarks/cost_laws.py [gradients] [seconds] [kernels]

``gradients`` counts those a network takes to the end of training along the flow, in the setting of
``theorems``, against the number of classes (samples and dimensions grow with it there), of neurons
and of samples, and against the start: means of networks on several draws. These counts hardly
depend on the machine, whose bfloat16 products may round otherwise. ``seconds`` times one gradient,
and takes its memory in processes of their own, with one size doubled and doubled again; ``kernels``
does so for tangent kernels, and says what one of all images of CIFAR would take. An exponent is the
slope of a least-squares line through the logarithms. A few minutes each, but for ``gradients``,
which takes a quarter of an hour.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from statistics import mean
from typing import Any, NamedTuple

import numpy as np
import torch
from ntk_gram import images, network
from ratio import in_turn, peak_of
from rich.console import Console
from rich.table import Table

from multiview import stream
from multiview.bench import Flow, PatchSetting
from multiview.models import PatchNet
from multiview.ntk import gram, plan_gram
from multiview.runs.experiment import Context
from multiview.train import cross_entropy, train_patch_net
from multiview.train.patch_gradient import patch_gradient
from multiview.train.workspace import Workspace
from theory_experiments.settings import many_classes

CLASSES = 20
DRAWS, NETS = (1000, 1001), 2
CIFAR = 50_000  # training images
REPEATS = 5


class Law(NamedTuple):
    """Costs at several sizes."""

    what: str
    sizes: Sequence[float]
    costs: Sequence[float]

    @property
    def exponent(self) -> float:
        """Of the power law that fits best."""
        return float(np.polyfit(np.log(self.sizes), np.log(self.costs), 1)[0])

    def row(self) -> list[str]:
        """As texts, for a table."""
        sizes, costs = (", ".join(f"{each:.4g}" for each in it) for it in (self.sizes, self.costs))
        return [self.what, sizes, costs, f"{self.exponent:.2f}"]


def shown(title: str, laws: Iterator[Law]) -> Table:
    """A line a law."""
    table = Table(title=title)
    for word in ("cost", "sizes", "at each", "exponent"):
        table.add_column(word, justify="right" if word == "exponent" else "left", overflow="fold")
    for each in laws:
        table.add_row(*each.row())
    return table


def settings() -> dict[str, dict[float, PatchSetting]]:
    """The settings of each sweep, by the size that is varied."""
    own = many_classes(CLASSES)
    return {
        "classes k (N = 40 k, d = 6 k)": {k: many_classes(k) for k in (10, 20, 40, 60)},
        "neurons m of a class": {m: replace(own, width=m) for m in (5, 10, 20, 40)},
        "samples N": {n: replace(own, num_train=n) for n in (400, 800, 1600)},
        "start sigma": {s: replace(own, sigma_init=s) for s in (0.0025, 0.005, 0.01, 0.02)},
    }


def gradients(setting: PatchSetting) -> list[int]:
    """Those that each network takes until it is done."""
    assert isinstance(setting.training, Flow)
    found = []
    for seed in DRAWS:
        bench = replace(setting, members=NETS).bench(seed, Context())
        nets = bench.nets("members", NETS)
        trained = train_patch_net(nets, bench.inputs, bench.labels, setting.training.labels)
        assert bool(trained.converged.all()), f"not all are trained after {trained.steps}"
        found += trained.steps.tolist()
    return found


def gradient_laws() -> Iterator[Law]:
    """Gradients to the end against each size."""
    for what, sweep in settings().items():
        counts = {size: gradients(setting) for size, setting in sweep.items()}
        print(what, counts, file=sys.stderr, flush=True)
        yield Law(what, list(sweep), [mean(each) for each in counts.values()])


BASE = {"K": 4, "N": 800, "P": 13, "d": 120, "k": 20, "m": 10}
NAMES = {
    "K": "networks K",
    "N": "samples N",
    "P": "patches P",
    "d": "dimensions d",
    "k": "classes k",
    "m": "neurons m of a class",
}


def gradient_task(sizes: Mapping[str, int]) -> Callable[[], object]:
    """One gradient in bfloat16 products of patches without zeros, with buffers of its own."""
    net = PatchNet(
        members=sizes["K"],
        num_classes=sizes["k"],
        width=sizes["m"],
        patch_dim=sizes["d"],
        q=3,
        relu_knee=10.0,
        sigma_init=0.3,
        generator=stream(0, "net"),
    )
    shape = (sizes["N"], sizes["P"], sizes["d"])
    patches = (torch.randn(shape, generator=stream(0, "x")) / sizes["d"] ** 0.5).bfloat16()
    labels = torch.arange(sizes["N"]) % sizes["k"]
    objective, rows = cross_entropy(labels, sizes["k"]), torch.arange(sizes["N"])
    space = Workspace()
    return lambda: patch_gradient(net, patches, objective, rows, workspace=space)


def second_laws() -> Iterator[Law]:
    """Milliseconds of a gradient and its memory in MB, against each size."""
    for name, what in NAMES.items():
        sizes = [BASE[name] * times for times in (1, 2, 4)]
        tasks = {f"{size}": gradient_task(BASE | {name: size}) for size in sizes}
        times = in_turn(tasks, REPEATS)
        yield Law(f"ms: {what}", sizes, [1000 * min(each) for each in times.values()])
        peaks = [child("gradient", **(BASE | {name: size})) for size in sizes]
        yield Law(f"MB: {what}", sizes, peaks)


def kernel_task(name: str, n: int) -> Callable[[], object]:
    """The trace kernel of a network on so many images."""
    x = torch.randn(max(n, 8), 3, 32, 32, generator=stream(0, "many"))[:n]
    return partial(gram, network(name), x, outputs="trace")


def kernel_laws() -> Iterator[Law]:
    """Seconds of a kernel and its memory against the number of images."""
    for name in ("cnn", "resnet20"):
        sizes = (64, 128, 256)
        times = in_turn({f"{n}": kernel_task(name, n) for n in sizes}, 3)
        least = [min(each) for each in times.values()]
        yield Law(f"s: kernel of {name}, images", sizes, least)
        yield Law(f"MB: kernel of {name}, images", sizes, [child(name, n=n) for n in sizes])
        plans = [plan_gram(network(name), images(2), n, outputs="trace") for n in (*sizes, CIFAR)]
        *flops, all_of = (plan.flop for plan in plans)
        yield Law(f"FLOP planned: kernel of {name}, images", sizes, flops)
        rate = flops[-1] / least[-1]
        print(
            f"{name}: {rate / 1e9:.0f} GFLOP/s at {sizes[-1]} images; {CIFAR:,} images "
            f"{all_of / rate / 3600:.1f} hours, {4 * CIFAR**2 / 1e9:.0f} GB of kernel"
        )


def child(task: str, **sizes: int) -> float:
    """Peak memory of one call above its inputs, MB, in a process of its own."""
    words = [task, *(f"{name}={size}" for name, size in sizes.items())]
    done = subprocess.run(
        [sys.executable, __file__, "peak", *words], capture_output=True, check=True
    )
    return float(done.stdout)


def print_peak(task: str, *words: str) -> None:
    """Child process: call once and print the peak."""
    sizes: dict[str, Any] = {name: int(size) for name, size in (each.split("=") for each in words)}
    if task == "gradient":
        print(peak_of(gradient_task(sizes), gradient_task(dict.fromkeys(BASE, 4))))
    else:
        print(peak_of(kernel_task(task, sizes["n"]), kernel_task(task, 2)))


LAWS = {"gradients": gradient_laws, "seconds": second_laws, "kernels": kernel_laws}


def main(names: Sequence[str]) -> None:
    """Print a table for each kind of cost."""
    for name in names or LAWS:
        title = f"{name}; {torch.get_num_threads()} threads"
        Console(width=140).print(shown(title, LAWS[name]()))


if __name__ == "__main__":
    print_peak(*sys.argv[2:]) if sys.argv[1:2] == ["peak"] else main(sys.argv[1:])
