"""Scripts of several parts, each with cells of its own: which run, are claimed of and shown."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import pandas as pd

from multiview import stream
from multiview.data.images import ImageData
from multiview.data.splits import Splits, split
from multiview.runs.claims import Claim
from multiview.runs.estimates import select
from multiview.runs.experiment import Context
from multiview.runs.tables import Column, Listing
from theory_experiments._image_cost import time_and_memory
from theory_experiments._image_data import images_for

SYNTHETIC = "synthetic"
C = TypeVar("C")


def cells_of(parts: Mapping[str, C]) -> Callable[[Any], list[C]]:
    """Cells for ``Preset.cells``: those of the part that ``options.part`` names, or of all.

    Args:
        parts: A cell by the name of its part.
    """

    def cells(options: Any) -> list[C]:
        if options.part not in ("all", *parts):
            raise ValueError(
                f"part={options.part} is not in this preset, which has {', '.join(parts)}: take "
                "another --preset or --part."
            )
        return [cell for name, cell in parts.items() if options.part in ("all", name)]

    return cells


def claims_of(
    parts: Mapping[str, Callable[[Any], Iterable[Claim]]],
) -> Callable[[Sequence[Any]], Iterator[Claim]]:
    """Claims for ``Experiment.claims``: those of each cell's part, from that cell.

    Args:
        parts: ``claims(cell)`` by the name of their part.
    """

    def claims(cells: Sequence[Any]) -> Iterator[Claim]:
        for cell in cells:
            yield from parts[cell.part](cell)

    return claims


def tables_of(
    parts: Mapping[str, Callable[[pd.DataFrame], Iterable[Listing]]],
) -> Callable[[pd.DataFrame], Iterator[Listing]]:
    """Tables for ``Experiment.tables``: those of parts that have lines, each of its own lines."""

    def tables(table: pd.DataFrame) -> Iterator[Listing]:
        for name, listings in parts.items():
            if len(lines := select(table, part=name)):
                for listing in listings(lines):
                    columns = [_of_part(name, column) for column in listing.columns]
                    yield replace(listing, columns=columns)

    return tables


def _of_part(part: str, column: Column) -> Column:
    """The column, of the lines of one part: parts may have methods of one name."""
    return replace(column, text=lambda table, line: column.text(select(table, part=part), line))


def images_of(cell: Any, context: Context) -> ImageData:
    """The data set that a cell with ``data`` and sizes draws its images from."""
    made_up = {
        "n_train": (cell.num_train or 0) + cell.num_validation,
        "n_test": cell.num_test or cell.num_validation,
    }
    return images_for(cell.data, context, seed=cell.seed, **made_up)


def check_images_present(cells: Iterable[Any], context: Context) -> None:
    """Check for ``Experiment.check``: say what is missing or damaged before any work.

    Raises:
        ValueError: If images are to be read and there is no ``--data-dir``, or not these in it.
    """
    with_images = [cell for cell in cells if cell.part != SYNTHETIC]
    real = sorted({cell.data for cell in with_images if cell.data != "multi_view"})
    if real and context.data_dir is None:
        raise ValueError(
            f"{' and '.join(real)} are read from --data-dir: give the folder that holds them, or "
            f"--part {SYNTHETIC}, which needs no images."
        )
    for name in real:
        images_of(next(cell for cell in with_images if cell.data == name), context)


def cost_of_parts(
    cells: Iterable[Any],
    context: Context,
    work: Callable[[Any, Splits, int], tuple[float, float]],
    halves: Callable[[Any], bool] = lambda cell: cell.compute.bfloat16,
) -> str | None:
    """Text for ``Experiment.cost``: what the cells with real images will take; None without such.

    Args:
        work: FLOP and bytes of a cell, from a few of its images and how many it trains on.
        halves: Whether a cell's products are in bfloat16.
    """
    real = [each for each in cells if each.part != SYNTHETIC and each.data != "multi_view"]
    if not real:
        return None
    flop, memory = 0.0, 0.0
    for cell in real:
        images = images_of(cell, context)
        trained_on = cell.num_train or len(images.train_labels) - cell.num_validation
        few = split(images, images.num_classes, images.num_classes, images.num_classes, stream(0))
        more, held = work(cell, few, trained_on)
        flop, memory = flop + more, max(memory, held)
    return time_and_memory(flop, memory, len(real), context.device, all(map(halves, real)))
