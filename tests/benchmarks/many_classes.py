"""The gradient of eight networks with forty classes: in blocks that stay in cache, without zeros.

    python tests/benchmarks/many_classes.py [REPEATS]

Rivals are the same function with all networks in one product, and on patches of which a quarter is
zero and none is left out. All are timed in this process, in turn; the median of nine by default.
"""

import sys
from collections.abc import Callable
from unittest.mock import patch

import torch
from rich.console import Console
from rich.table import Table
from torch.utils.benchmark import Timer

from multiview import stream
from multiview.data import make_features, sample_patches
from multiview.models import PatchNet
from multiview.train import cross_entropy
from multiview.train import patch_gradient as gradients
from multiview.train.patch_gradient import patch_gradient, zeros_last
from multiview.train.workspace import Workspace
from theory_experiments.settings import many_classes

MEMBERS, CLASSES = 8, 40


def tasks() -> dict[str, Callable[[], object]]:
    """The gradient in each way, by float32 and by bfloat16 products."""
    setting = many_classes(CLASSES)
    net = PatchNet(
        members=MEMBERS,
        num_classes=CLASSES,
        width=setting.width,
        patch_dim=setting.spec.patch_dim,
        q=setting.q,
        relu_knee=setting.relu_knee,
        sigma_init=setting.sigma_init,
        generator=stream(0, "net"),
    )
    features = make_features(setting.spec, stream(0, "features"))
    batch = sample_patches(setting.spec, features, setting.num_train, stream(0, "train"))
    objective, rows = cross_entropy(batch.labels, CLASSES), torch.arange(setting.num_train)
    found: dict[str, Callable[[], object]] = {}
    for name, patches in (("float32", batch.patches), ("bfloat16", batch.patches.bfloat16())):
        ordered, filled = zeros_last(patches)
        order, space = filled.argsort(stable=True), Workspace()

        def plain(patches=patches, space=space) -> object:
            return patch_gradient(net, patches, objective, rows, workspace=space)

        def in_one_product(plain=plain) -> object:
            with patch.object(gradients, "MOST_NEURONS", 10**9):
                return plain()

        def without_zeros(ordered=ordered, order=order, filled=filled, space=space) -> object:
            return patch_gradient(net, ordered, objective, order, workspace=space, filled=filled)

        found[f"{name}, in one product"] = in_one_product
        found[f"{name}, in blocks"] = plain
        found[f"{name}, in blocks, no zeros"] = without_zeros
    return found


def main(repeats: int) -> None:
    """Print the table."""
    methods = tasks()
    times: dict[str, list[float]] = {name: [] for name in methods}
    for _ in range(repeats):
        for name, task in methods.items():
            timer = Timer("task()", globals={"task": task}, num_threads=torch.get_num_threads())
            times[name].append(timer.timeit(1).mean)
    median = {name: sorted(values)[repeats // 2] for name, values in times.items()}
    table = Table(
        title=f"One gradient of {MEMBERS} networks, {CLASSES} classes, "
        f"{torch.get_num_threads()} threads; median of {repeats}"
    )
    for heading in ("method", "ms a network", "of one product"):
        table.add_column(heading, justify="left" if heading == "method" else "right")
    for name, seconds in median.items():
        rival = median[f"{name.split(',')[0]}, in one product"]
        table.add_row(name, f"{1000 * seconds / MEMBERS:.0f}", f"{seconds / rival:.2f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
