"""Steps to the end of training as the start shrinks: adaptive flow against fixed steps.

    python tests/benchmarks/flow_steps.py

Escape from a start of size sigma takes a time proportional to 1 / sigma^(q-2). The flow's steps
grow with it; fixed steps, at the largest rate of 1, 2, 5, 10, ... that trains the net at all, pay
the time in full. Fixed steps are given up at 20,000.
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
STARTS = (0.02, 0.01, 0.005, 0.002, 0.001, 0.0005)
RATE, LIMIT, MEMBERS = 5.0, 20_000, 4


def steps(sigma_init: float, spec: TrainSpec) -> tuple[float, float]:
    """Mean steps of the members and the fraction that ended trained."""
    features = make_features(SPEC, stream(0, "features"))
    batch = sample_patches(SPEC, features, 200, stream(0, "train"))
    net = PatchNet(
        members=MEMBERS,
        num_classes=SPEC.num_classes,
        width=8,
        patch_dim=SPEC.patch_dim,
        q=3,
        relu_knee=2.0,
        sigma_init=sigma_init,
        generator=stream(0, "init"),
    )
    result = train_patch_net(net, batch.patches, batch.labels, spec)
    return float(result.steps.double().mean()), float(result.converged.double().mean())


def main() -> None:
    """Print the table."""
    flow, fixed = (
        TrainSpec(max_steps=LIMIT),
        TrainSpec(method="gd", learning_rate=RATE, max_steps=LIMIT),
    )
    table = Table(title=f"Steps to training error 0 and loss 0.1, mean of {MEMBERS} nets, q=3")
    for heading in ("sigma_init", "flow", "ratio to the first", f"gd, rate {RATE:g}", "ratio"):
        table.add_column(heading, justify="right")
    first: tuple[float, float] | None = None
    for sigma_init in STARTS:
        adaptive, trained = steps(sigma_init, flow)
        constant, trained_too = steps(sigma_init, fixed)
        first = first or (adaptive, constant)
        note = "" if trained == trained_too == 1 else " (not all trained)"
        table.add_row(
            f"{sigma_init:g}",
            f"{adaptive:.0f}",
            f"{adaptive / first[0]:.2f}",
            f"{constant:.0f}{note}",
            f"{constant / first[1]:.1f}",
        )
    Console(width=100).print(table)


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
