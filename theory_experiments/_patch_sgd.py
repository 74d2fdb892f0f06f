"""Networks on synthetic patches by minibatch SGD, for methods that only the one loop can train."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from torch import Tensor

from multiview import stream
from multiview.data import MultiViewSpec, sample_patches
from multiview.probes import Coverage, coverage_of, coverage_probes
from multiview.train import OptimSpec
from multiview.train.metrics import wrong
from theory_experiments._patch_nets import KINDS, SPEC, NetCell

SGD = OptimSpec(epochs=60, batch_size=100, learning_rate=2.0, warmup=0.1, weight_decay=0.0)


@dataclass(frozen=True, kw_only=True)
class SgdCell(NetCell):
    """Networks trained by minibatch SGD (``optim``; ``train`` is unused).

    With q = 3 and momentum a class breaks out within some hundred steps; with q = 4, which the
    other experiments follow by gradient flow, it takes tens of thousands. Chosen on the seed 1000.
    """

    part: str = "synthetic"
    spec: MultiViewSpec = field(default_factory=lambda: replace(SPEC, mu=0.02))
    num_train: int = 400
    q: float = 3
    members: int = 4
    optim: OptimSpec = SGD
    num_test: int = 200  # of single-view and of multi-view samples each
    probes_per_view: int = 30


def measured(
    cell: SgdCell,
    features: Float[Tensor, "k L d"],
    outputs: Callable[[Tensor], Mapping[str, Tensor]],
) -> tuple[dict[str, Coverage], dict[str, dict[str, Tensor]]]:
    """What named classifiers cover, and how often they err.

    Args:
        outputs: From patches to the logits (n, k), or (n, *many, k), of each classifier.

    Returns:
        The coverage of each; and by measure the value of each, a scalar or (*many,): ``coverage``
        c, ``margin`` its mean over probes that show one view, ``single`` and ``multi`` errors on
        test samples of either kind.
    """
    probes = coverage_probes(cell.spec, features, stream(cell.seed, "probes"), cell.probes_per_view)
    with torch.no_grad():
        on_probes = outputs(probes.patches)
    covered = {name: coverage_of(logits, probes) for name, logits in on_probes.items()}
    values = {
        "coverage": {name: each.fraction for name, each in covered.items()},
        "margin": {name: each.margin.mean((-2, -1)) for name, each in covered.items()},
    }
    for kind in KINDS:
        generator = stream(cell.seed, "test", kind)
        batch = sample_patches(cell.spec, features, cell.num_test, generator, kind)
        with torch.no_grad():
            logits = outputs(batch.patches)
        values[kind] = {
            name: wrong(each, batch.labels).double().mean(0) for name, each in logits.items()
        }
    return covered, values
