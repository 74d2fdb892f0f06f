"""L0 regularisation closes gates one by one until a small network is left, that errs as little.

Hard-concrete gates (Louizos, Welling & Kingma, Learning Sparse Neural Networks through L0
Regularization, ICLR 2018) on real images, beside the published architectures and errors:
784-300-100 and LeNet-5 on MNIST with one lambda and with one of each layer, and wide residual
networks on CIFAR; against dropout at full size, pruning by norm to the same units, and a net of the
size that is left, trained anew. What gates leave is counted at test time and in expectation, which
differ; and lambda stands before a cliff, near which a share of weights can be asked for instead.
On synthetic patches: which views of a class the gates take with them.

The published nets are trained 200 epochs at a rate of 0.001. The preset ``laptop`` has a tenth or
less, on all of MNIST but 5,000 images, at 0.01 falling to 0: Adam moves a gate's logit by at most
its rate a step, so a short training at 0.001 closes nothing (7 epochs: 784-293-100). These rates,
0.004, and lambdas of each layer were compared with seed 1000 on images held out from training;
networks without gates keep 0.001. Lambda is divided by N, the number of training images, in the
loss, as published. All nets are tested with weights averaged over steps with the same decay; those
pruned by norm take the dense net's steps and a quarter more for fine-tuning.

Changed after one repetition of LeNet-5 on the test images had been seen: nets without gates were
tested with their last weights; LeNet-5 had a claim on a sweep of one lambda; and the error of
784-300-100 with lambdas of each layer, which are ours, was judged by the published one. What is
compared with nets without gates is therefore marked as decided after. All other claims on images
were written before a run; seeds begin at 10, so that on patches claims are decided before any run
on them: other seeds draw the same test images of MNIST, but other starts, orders and images held
out.

``paper`` has the paper's epochs, rates and sizes; no run of it is behind any number here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import pandas as pd

from multiview.bench import Cell, check, run
from multiview.runs.claims import Claim
from multiview.runs.estimates import select
from multiview.runs.experiment import Experiment, Preset
from multiview.runs.script import main
from multiview.runs.tables import Column, Listing
from multiview.theory import ensemble_error
from theory_experiments.views import l0_cells
from theory_experiments.views.l0_images import image_claims, image_tables
from theory_experiments.views.l0_published import PARTS, with_published
from theory_experiments.views.pruned_curves import patch_tables
from theory_experiments.views.pruned_patches import PATCHES, SYNTHETIC
from theory_experiments.views.pruned_patches_claims import patch_claims
from theory_experiments.views.units import counted_in_views

Part = Literal["all", "mnist_mlp", "lenet", "cifar10", "cifar100", "synthetic"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """Choice of the parts to run."""

    part: Part = "all"
    """All but synthetic read images from --data-dir; cifar100 is of the preset paper alone."""


def preset(name: str, images: Sequence[Cell], seeds: int = 3, first: int = 10) -> Preset:
    """The cells of each part."""
    every = [*images, *PATCHES[name]]

    def cells(options: Options) -> list[Cell]:
        chosen = [cell for cell in every if options.part in ("all", cell.part)]
        if not chosen:
            parts = ", ".join(dict.fromkeys(cell.part for cell in every))
            raise ValueError(
                f"part={options.part} is not in this preset, which has {parts}: take another "
                "--preset or --part."
            )
        return chosen

    return Preset(cells=cells, seeds=seeds, first_seed=first, claimed=name != "smoke")


def claims(cells: Sequence[Cell]) -> Iterator[Claim]:
    """Those of each part."""
    for part in dict.fromkeys(cell.part for cell in cells):
        own = [cell for cell in cells if cell.part == part]
        yield from (patch_claims if part == SYNTHETIC else image_claims)(own)


def derived(table: pd.DataFrame) -> pd.DataFrame:
    """Groups of methods along an axis, published numbers, and what is counted in views.

    ``size`` of ensembles, and ``predicted``, what as many independent networks would cover;
    ``none``, the share of classes of which no view is covered.
    """
    named = table["method"].str.extract(r"^(.*?)(?:_(\d[\d.e+-]*))?$")
    size = named[1].astype(float).where(named[0].isin(["ensemble", "pruned_ensemble"]))
    table = table.assign(group=named[0], size=size)
    if "coverage" in table:
        own = table[table["method"] == "pruned_ensemble_1"].set_index("seed")["coverage"]
        of_pruned = size.where(table["group"] == "pruned_ensemble")
        known = [
            ensemble_error(int(K), own[seed]) if K == K else K  # NaN is no size
            for K, seed in zip(of_pruned, table["seed"], strict=True)
        ]
        table = table.assign(
            predicted=1 - pd.Series(known, table.index), none=table["views"].str[0]
        )
        averages = table.loc[size < table["members"], "method"]  # over the ring of members
        table = counted_in_views(table, "coverage", "single", averaged=set(averages))
    return with_published(table)


def tables(table: pd.DataFrame) -> Iterator[Listing]:
    """Those of each part that has lines, of its own lines: parts may have methods of one name."""
    for part in (*PARTS, SYNTHETIC):
        if len(lines := select(table, part=part)):
            listings = patch_tables(lines) if part == SYNTHETIC else image_tables(part, lines)
            for listing in listings:
                columns = [of_part(part, column) for column in listing.columns]
                yield replace(listing, columns=columns)


def of_part(part: str, column: Column) -> Column:
    """The column, of the lines of one part."""
    return replace(column, text=lambda table, line: column.text(select(table, part=part), line))


EXPERIMENT = Experiment(
    name="l0_gates",
    description=__doc__ or "",
    run=run,
    presets={
        "smoke": preset("smoke", l0_cells.smoke(), seeds=2, first=0),
        "laptop": preset("laptop", l0_cells.laptop()),
        "paper": preset("paper", l0_cells.paper()),
    },
    claims=claims,
    check=check,
    options=Options,
    derived=derived,
    tables=tables,
    figure="l0_gates",
)

if __name__ == "__main__":
    main(EXPERIMENT)
