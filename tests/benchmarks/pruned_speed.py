"""How much faster pruned networks are, beside the FLOPs that they save.

    python tests/benchmarks/pruned_speed.py

No net is trained: weights are random, and gates are set to leave as many units as the published
nets have (of the WRN, a quarter of each block's filters), those of the largest norms. A forward
pass of the dense net is timed against one of the pruned net, in turn; printed are medians,
quartiles in brackets, and the number of repeats. With one sample a part of the time is the fixed
cost of calling each layer, which pruning does not lower: 784-300-100 with a tenth of its FLOPs is
1.4 times as fast then (two threads).
"""

from collections.abc import Callable
from statistics import quantiles

import torch
from ratio import in_turn
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from multiview import stream
from multiview.models import MLP, LeNet5, WideResNet
from multiview.sparsity import flops
from multiview.sparsity.baselines import magnitude_pruned

DIGIT, PICTURE = (1, 28, 28), (3, 32, 32)
SECONDS = 1.0  # of each comparison
CASES: dict[str, tuple[Callable[[], nn.Module], tuple[int, int, int], tuple[int, ...]]] = {
    "784-300-100, one lambda": (
        lambda: MLP(input_shape=DIGIT, num_classes=10, widths=(300, 100), generator=stream(0)),
        DIGIT,
        (219, 214, 100),
    ),
    "784-300-100, by layer": (
        lambda: MLP(input_shape=DIGIT, num_classes=10, widths=(300, 100), generator=stream(0)),
        DIGIT,
        (266, 88, 33),
    ),
    "LeNet-5, one lambda": (lambda: LeNet5(generator=stream(0)), DIGIT, (20, 25, 45, 462)),
    "LeNet-5, by layer": (lambda: LeNet5(generator=stream(0)), DIGIT, (9, 18, 65, 25)),
    "WRN-16-1, a quarter": (
        lambda: WideResNet(depth=16, widen=1, generator=stream(0)),
        PICTURE,
        (4, 4, 8, 8, 16, 16),
    ),
}


def compared(dense: nn.Module, small: nn.Module, x: Tensor) -> tuple[list[float], list[float]]:
    """Seconds of the forward passes of each, taken in turn."""
    pair = {"dense": lambda: dense(x), "small": lambda: small(x)}
    once = max(in_turn(pair, 1)["dense"][0], 1e-6)
    times = in_turn(pair, min(max(10, int(SECONDS / once / 2)), 10_000))
    return times["dense"], times["small"]


def main() -> None:
    """Print the table."""
    table = Table(title=f"Forward pass, {torch.get_num_threads()} threads; median and quartiles")
    heads = ("batch", "dense, ms", "pruned, ms", "repeats", "times faster", "times fewer FLOPs")
    for head in ("", *heads):
        table.add_column(head, justify="right" if head else "left")
    for name, (build, shape, units) in CASES.items():
        dense = build().eval()
        small = magnitude_pruned(dense, units).eval()
        sample = torch.randn(shape, generator=stream(0, "x"))
        saved = flops(dense, sample) / flops(small, sample)
        for batch in (1, 500):
            x = torch.randn(batch, *shape, generator=stream(0, "x"))
            taken = compared(dense, small, x)
            (_, slow, _), (_, fast, _) = spread = [quantiles(each, n=4) for each in taken]
            times = [
                f"{1000 * middle:.3f} [{1000 * low:.3f}, {1000 * high:.3f}]"
                for low, middle, high in spread
            ]
            repeats = f"{len(taken[0])}"
            row = (name, f"{batch}", *times, repeats, f"{slow / fast:.1f}", f"{saved:.1f}")
            table.add_row(*row)
    Console(width=140).print(table)


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
