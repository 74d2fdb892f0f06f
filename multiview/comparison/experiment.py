"""The comparison of named methods in one setting, as an experiment without claims."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from multiview.bench import Cell, Entry, PatchSetting, Setting, check, run
from multiview.bench.cost import cost
from multiview.bench.images import ImageSetting
from multiview.bench.method import with_needs
from multiview.comparison.entries import counted_in_views, labelled, with_predictions
from multiview.comparison.settings import NETS, setting_of
from multiview.data.images import READERS
from multiview.measures import PatchErrors, TestErrors, Views
from multiview.methods import Kernels, Members
from multiview.methods.catalogue import CATALOGUE, PATCHES_ONLY
from multiview.runs.experiment import Experiment, NoOptions, Preset
from multiview.runs.tables import Column, Line, Listing, fractions, measure

EVERY = CATALOGUE | PATCHES_ONLY
MANY = (Members, Kernels)  # of which numbers are means over networks, and count no views


@dataclass(frozen=True, kw_only=True)
class Options:
    """What is compared, and where."""

    setting: Literal[("patches", *READERS)] = "patches"  # type: ignore[valid-type]
    """patches are synthetic, with known views; images are read from --data-dir."""
    methods: str = "one,ensemble,summed,hinton,self"
    """Names of methods, joined by commas; `--methods all` takes all that the setting allows."""
    net: Literal[tuple(NETS)] | None = None  # type: ignore[valid-type]
    """Kind of network on images, fast unless said otherwise."""
    members: int = 4
    """Networks of an ensemble."""
    num_train: int | None = None
    """Training samples; 400 patches or 2000 images unless said otherwise."""
    epochs: int | None = None
    """Epochs of every training, as the setting has them unless said otherwise."""


def chosen(names: str, setting: Setting) -> dict[str, Entry]:
    """The entries of these names.

    Raises:
        ValueError: If there is no such method, or none is named.
    """
    every = entries_of(setting)
    if names == "all":
        return {name: entry for name, entry in every.items() if _allowed(entry, setting)}
    listed = [name.strip() for name in names.split(",") if name.strip()]
    if not listed:
        raise ValueError(f"methods={names!r} names none: there are {', '.join(every)}.")
    if unknown := [name for name in listed if name not in every]:
        raise ValueError(
            f"methods={names!r}: {unknown[0]!r} is no method; there are {', '.join(every)}."
        )
    return {name: every[name] for name in listed}


def entries_of(setting: Setting) -> dict[str, Entry]:
    """Every method by name, as it suits a setting, and such as it refuses when they are checked."""
    return EVERY if isinstance(setting, PatchSetting) else PATCHES_ONLY | CATALOGUE


def _allowed(entry: Entry, setting: Setting) -> bool:
    """Whether a method, and all that it builds on, can be trained in a setting."""
    try:
        for method in with_needs([entry.method]):
            method.check(setting)
    except ValueError:
        return False
    return True


def cell_of(setting: Setting, entries: Mapping[str, Entry]) -> Cell:
    """The cell that trains these methods and measures what the setting knows."""
    patches = isinstance(setting, PatchSetting)
    measures = (
        (Views(probes_per_view=30), PatchErrors(num_test=400)) if patches else (TestErrors(),)
    )
    methods = {name: each.method for name, each in entries.items()}
    return Cell(part=name_of(setting), setting=setting, methods=methods, measures=measures)


def name_of(setting: Setting) -> str:
    """What a setting is called in tables and figures."""
    if isinstance(setting, PatchSetting):
        return "synthetic patches"
    return setting.data if isinstance(setting, ImageSetting) else "own samples"


def comparison(
    setting: Setting, entries: Mapping[str, Entry], *, seeds: int = 3
) -> Experiment[Cell, NoOptions]:
    """The comparison of these methods in this setting."""
    return Experiment(
        name="compare",
        description="Methods compared on the same samples.",
        run=run,
        presets={"default": Preset(cells=[cell_of(setting, entries)], seeds=seeds, claimed=False)},
        check=check,
        derived=lambda table: derived(table, entries),
        tables=lambda table: tables(table, entries),
        figure="compare",
    )


def cells(options: Options) -> list[Cell]:
    """The cell that the command line asks for."""
    setting = setting_of(
        options.setting, options.net, options.members, options.num_train, options.epochs
    )
    return [cell_of(setting, chosen(options.methods, setting))]


def derived(table: pd.DataFrame, entries: Mapping[str, Entry] = EVERY) -> pd.DataFrame:
    """The table with names of methods and, where views are known, the theory's c."""
    named = labelled(table, entries)
    if "coverage" not in table:
        return named
    averaged = [name for name, each in entries.items() if isinstance(each.method, MANY)]
    predicted = with_predictions(named, entries)
    return counted_in_views(predicted, "coverage", "single", averaged=averaged)


def tables(table: pd.DataFrame, entries: Mapping[str, Entry] = EVERY) -> Iterator[Listing]:
    """One table: views and errors of patches, or errors of other samples."""
    found = set(table["method"])
    lines = [
        Line(label=each.label, where={"method": name}, group=each.group)
        for name, each in entries.items()
        if name in found
    ]
    where = table["part"].iloc[0]
    if "coverage" in table:
        columns: Iterable[Column] = [
            measure("c, %", "coverage"),
            measure("theory's c", "predicted", interval=False, digits=0),
            fractions("classes with 0/1/2 views, %", "views"),
            measure("single-view error, %", "single"),
            measure("multi-view error, %", "multi"),
        ]
        yield Listing(title=f"Views learned and errors, {where}", lines=lines, columns=columns)
        return
    columns = [measure("test error, %", "error")]
    if "one" in found:
        columns.append(
            measure(
                "less than one network, points", "error", unit="points", gain_over={"method": "one"}
            )
        )
    columns.append(measure("training error, %", "train"))
    yield Listing(title=f"Errors, {where}", lines=lines, columns=columns)


EXPERIMENT = Experiment(
    name="compare",
    description="""Compare methods by the views they learn and by their errors, on the same samples.

Methods: """
    + ", ".join(EVERY)
    + ".",
    run=run,
    presets={"default": Preset(cells=cells, seeds=3, claimed=False)},
    check=check,
    cost=cost,
    options=Options,
    derived=derived,
    tables=tables,
    figure="compare",
)
