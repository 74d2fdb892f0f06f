"""Ensembles work differently in networks and in kernels.

One network learns one view of each class and memorises what it misses, so it errs on about half of
the single-view samples. Averaging independent networks, or distilling the average into one network,
brings the missing views back; training the sum of the networks as one does not. Neural tangent
kernels choose no features: averaging them helps, summing them helps as much, and distilling gives
nothing (Allen-Zhu & Li, arXiv 2012.09816, Figure 1 and Theorems 1-4).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import pandas as pd

from multiview.runs.experiment import Context, Experiment, Preset
from multiview.runs.script import main
from multiview.runs.tables import Line, Listing, measure
from multiview.train import OptimSpec, TrainSpec
from theory_experiments._contrast import Row
from theory_experiments._contrast_claims import contrast_claims
from theory_experiments._contrast_tables import share_of_one
from theory_experiments._image_contrast import (
    CIFAR10,
    MNIST,
    ImageCell,
    WideNet,
    expected_cost,
    run_images,
)
from theory_experiments._image_cost import kernels_and_training
from theory_experiments._image_data import real_images
from theory_experiments._patch_contrast import PatchCell, run_patches
from theory_experiments._patch_nets import PAPER_SPEC, SMALL_SPEC, STUDENT, only_cpu
from theory_experiments.views.units import counted_in_views


@dataclass(frozen=True, kw_only=True)
class Options:
    """Which samples the models are compared on."""

    data: Literal["patches", "cifar10", "mnist"] = "patches"
    """The paper's synthetic patches, or real images from --data-dir."""


LAPTOP = PatchCell()
PAPER = replace(
    LAPTOP,
    spec=PAPER_SPEC,
    num_train=2000,
    num_test=4000,
    num_kernel_test=500,
    probes_per_view=50,
    width=20,
    kernel_width=20,
    student=replace(STUDENT, max_steps=600),
)
SMOKE = replace(
    LAPTOP,
    spec=SMALL_SPEC,
    num_train=200,
    num_test=200,
    num_kernel_test=100,
    members=4,
    train=TrainSpec(max_steps=300),
    student=replace(STUDENT, max_steps=100),
)

# The kernel of a WRN-16-4 on 10,000 images, and on all 50,000: for a GPU.
WIDE: dict[str, Any] = {
    "num_test": 8_000,  # MNIST has fewer than 900 of some digits
    "members": 10,
    "net": WideNet(),
    "optim": OptimSpec(epochs=100, batch_size=128, learning_rate=0.1),
    "padding": 4,
}
IMAGES: dict[str, dict[str, Any]] = {
    "smoke": {"num_train": 100, "num_test": 100, "members": 2, "optim": OptimSpec(epochs=2)},
    "laptop": {},
    "paper": {"num_train": 10_000, **WIDE},
    "whole": {"num_train": 50_000, **WIDE},
}
PATCHES = {"smoke": SMOKE, "laptop": LAPTOP, "paper": PAPER}


def cells(preset: str) -> Callable[[Options], list[PatchCell | ImageCell]]:
    """The one cell of a repetition, which draws samples and initialisations of its own."""

    def one(options: Options) -> list[PatchCell | ImageCell]:
        if options.data == "patches":
            if preset not in PATCHES:
                raise ValueError(f"preset={preset} is for real images: add --data cifar10.")
            return [PATCHES[preset]]
        return [replace({"cifar10": CIFAR10, "mnist": MNIST}[options.data], **IMAGES[preset])]

    return one


def check(cells: Sequence[PatchCell | ImageCell], context: Context) -> None:
    """Read the images, or say what is missing, before any work."""
    if isinstance(cells[0], PatchCell):
        only_cpu(cells, context)
    else:
        real_images(cells[0].data, context)


def run(cell: PatchCell | ImageCell, context: Context) -> Row:
    """One repetition of the comparison."""
    if isinstance(cell, PatchCell):
        return run_patches(cell, context.progress)
    return run_images(cell, real_images(cell.data, context), context.progress, context.device)


def cost(cells: Sequence[Any], context: Context) -> str | None:
    """What the cells on real images will take, at the rate matrices are multiplied here."""
    if isinstance(cells[0], PatchCell):
        return None
    data = real_images(cells[0].data, context)
    return kernels_and_training(
        [expected_cost(cell, data, context.device) for cell in cells], context.device
    )


def derived(table: pd.DataFrame) -> pd.DataFrame:
    """The table; on patches with the theory's errors, those on D, and what is counted in views."""
    if table["data"].iloc[0] != "patches":
        return table
    averaged = table.loc[table["size"] < table["members"], "method"]
    mu = table["spec.mu"]
    shown = table.assign(
        theory=(1 / table["spec.num_views"]) ** table["size"],  # Theorem 2
        mixed=mu * table["single"] + (1 - mu) * table["multi"],
    )
    return counted_in_views(shown, "coverage", "single", averaged={*averaged, *STUDENTS})


STUDENTS = ("distilled", "self", "kernel_distilled")  # many a repetition
METHODS = {
    "member": "one model",
    "ensemble": "ensemble",
    "summed": "trained as a sum",
    "distilled": "distilled from the ensemble",
}
# On patches the network is distilled by the paper's update, on images by Hinton's loss.
FURTHER = {"hinton": "distilled by Hinton's loss", "self": "self-distilled"}
MODELS = {"network": "networks", "kernel": "tangent kernels"}


def tables(table: pd.DataFrame) -> Iterable[Listing]:
    """Errors of every model and method, and what they leave of one model's."""
    patches = table["data"].iloc[0] == "patches"
    lines = [
        Line(label=label, where={"model": model, "role": role}, group=group)
        for model, group in MODELS.items()
        for role, label in (METHODS | (FURTHER if patches else {})).items()
    ]
    if not patches:
        columns = [measure("error, %", "error"), share_of_one("error")]
        yield Listing(title=f"{table['data'].iloc[0]}: test error", lines=lines, columns=columns)
        return
    columns = [
        measure("single-view error, %", "single"),
        share_of_one("single"),
        measure("multi-view error, %", "multi"),
        measure("error on both as they come, %", "mixed"),
        measure("views learned: c, %", "coverage"),
    ]
    yield Listing(
        title="Synthetic patches: test errors", lines=lines, columns=columns, note=NOT_ALIKE
    )

    sizes = sorted(table["size"].dropna().unique())
    yield Listing(
        title="Single-view error by ensemble size, the mean over all subsets of the members",
        labels=("K",),
        lines=[Line(label=f"{size:.0f}", where={"size": size}) for size in sizes],
        columns=[
            measure("networks, %", "single", model="network"),
            measure("theory, %", "theory", model="network", interval=False),
            measure("views that one of K covers, %", "union", model="network"),
            measure("kernels, %", "single", model="kernel"),
        ],
    )


NOT_ALIKE = (
    "Networks and kernels differ in width and start, since few neurons carry the kernel of the "
    "networks' own start: compare what methods leave of one model's error, not errors."
)

EXPERIMENT = Experiment(
    name="ensemble_vs_ntk",
    description=__doc__ or "",
    run=run,
    presets={
        "smoke": Preset(cells=cells("smoke"), seeds=2, claimed=False),
        "laptop": Preset(cells=cells("laptop"), seeds=3, first_seed=12),
        "paper": Preset(cells=cells("paper"), seeds=10, first_seed=12),
        "whole": Preset(cells=cells("whole"), seeds=3, first_seed=12),
    },
    claims=contrast_claims,
    check=check,
    cost=cost,
    options=Options,
    derived=derived,
    tables=tables,
    figure="ensemble_vs_ntk",
)

if __name__ == "__main__":
    main(EXPERIMENT)
