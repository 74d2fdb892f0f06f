"""Gradients to the end of training as the start shrinks: stabilised flow against its rivals.

    python tests/benchmarks/flow_steps.py

Escape from a start of size sigma takes a time proportional to 1 / sigma^(q-2). The flow's steps
grow with it, and what has escaped already is held by steps of many stages; adaptive descent lets
steps grow but waits one stable step at a time; fixed steps, at the largest rate of 1, 2, 5, 10, ...
that trains the nets at all, pay the time in full. Each is given up at 5,000 gradients.
"""

import torch
from rich.console import Console
from rich.table import Table

from multiview import stream
from multiview.data import MultiViewSpec, make_features, sample_patches
from multiview.models import PatchNet
from multiview.train import TrainSpec, train_patch_net

SPEC = MultiViewSpec(
    num_classes=5, patch_dim=40, num_patches=8, sparsity=1.5, sigma_p=1.0 / 40**0.5
)
POWERS, STARTS = (3, 4), (0.02, 0.005, 0.0005)
RATE, LIMIT, MEMBERS = 5.0, 5_000, 4


def steps(q: int, sigma_init: float, spec: TrainSpec) -> tuple[float, float]:
    """Mean gradients of the members and the fraction that ended trained."""
    features = make_features(SPEC, stream(0, "features"))
    batch = sample_patches(SPEC, features, 200, stream(0, "train"))
    net = PatchNet(
        members=MEMBERS,
        num_classes=SPEC.num_classes,
        width=8,
        patch_dim=SPEC.patch_dim,
        q=q,
        relu_knee=2.0,
        sigma_init=sigma_init,
        generator=stream(0, "init"),
    )
    result = train_patch_net(net, batch.patches, batch.labels, spec)
    return float(result.steps.double().mean()), float(result.converged.double().mean())


def main() -> None:
    """Print the table."""
    rivals = {
        "flow": TrainSpec(max_steps=LIMIT),
        "adaptive": TrainSpec(method="adaptive", max_steps=LIMIT),
        f"gd, rate {RATE:g}": TrainSpec(method="gd", learning_rate=RATE, max_steps=LIMIT),
    }
    table = Table(title=f"Gradients to training error 0 and loss 0.1, mean of {MEMBERS} nets")
    table.add_column("q")
    table.add_column("sigma_init")
    for name in rivals:
        table.add_column(name, justify="right")
        table.add_column("ratio", justify="right")
    for q in POWERS:
        first: dict[str, float] = {}
        for sigma_init in STARTS:
            line = [f"{q}", f"{sigma_init:g}"]
            for name, spec in rivals.items():
                gradients, trained = steps(q, sigma_init, spec)
                first.setdefault(name, gradients)
                note = "" if trained == 1 else " (not all trained)"
                line += [f"{gradients:.0f}{note}", f"{gradients / first[name]:.1f}"]
            table.add_row(*line)
    Console(width=110).print(table)


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
