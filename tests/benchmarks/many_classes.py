"""The gradient of eight networks with forty classes: in blocks that stay in cache, without zeros.

    python tests/benchmarks/many_classes.py

Rivals are the same function with all networks in one product, and on patches of which a quarter is
zero and none is left out. All are timed in this process, in turn.
"""

from collections.abc import Callable, Iterator
from unittest.mock import patch

import torch
from ratio import Ratio, in_turn, table
from rich.console import Console

from multiview import stream
from multiview.data import make_features, sample_patches
from multiview.models import PatchNet
from multiview.train import cross_entropy
from multiview.train import patch_gradient as gradients
from multiview.train.patch_gradient import patch_gradient, zeros_last
from multiview.train.workspace import Workspace
from theory_experiments.settings import many_classes

MEMBERS, CLASSES, REPEATS = 8, 40, 5
ONE = "in one product"


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
        order, spaces = filled.argsort(stable=True), [Workspace() for _ in range(3)]

        def plain(patches=patches, space=spaces[0]) -> object:
            return patch_gradient(net, patches, objective, rows, workspace=space)

        def in_one_product(plain=plain, space=spaces[1]) -> object:
            with patch.object(gradients, "MOST_NEURONS", 10**9):
                return plain(space=space)

        def without_zeros(ordered=ordered, order=order, filled=filled, space=spaces[2]) -> object:
            return patch_gradient(net, ordered, objective, order, workspace=space, filled=filled)

        found[f"{name}, {ONE}"] = in_one_product
        found[f"{name}, in blocks"] = plain
        found[f"{name}, in blocks, no zeros"] = without_zeros
    return found


def ratios() -> Iterator[Ratio]:
    """Blocks, and blocks without zeros, held against one product, by either type."""
    times = in_turn(tasks(), REPEATS)
    for name, values in times.items():
        kind, _, way = name.partition(", ")
        if way != ONE:
            yield Ratio(
                what=f"gradient of {MEMBERS} nets, {CLASSES} classes: {name}",
                rival=ONE,
                ours=values,
                theirs=times[f"{kind}, {ONE}"],
            )


if __name__ == "__main__":
    Console(width=140).print(table(ratios()))
