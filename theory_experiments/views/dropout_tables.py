"""What is printed of dropout distillation on images: the papers' values beside ours."""

from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd

from multiview.bench.nets import Quick
from multiview.runs.estimates import Estimate, measured
from multiview.runs.tables import Column, Line, Listing, estimated, gain, given, lines_of, measure
from multiview.train import OptimSpec
from theory_experiments.views.dropout_images import LAYERS, MASKS, MOST, NAMES, entries
from theory_experiments.views.dropout_published import CAVEAT, PUBLISHED, Published

PREDICTORS = ("standard", f"masks_{MOST}", "expectation_linear", "distilled", "fresh")
LABELS = {
    **{name: each.label for name, each in entries(Quick(), OptimSpec(), 1.0, ()).items()},
    **{f"masks_{n}": f"mean over {n} masks" for n in MASKS.numbers},
}


def tables(lines: pd.DataFrame) -> Iterator[Listing]:
    """Predictors, transfer sets and smaller nets on one data set.

    Args:
        lines: Those of one part, with ``published_gain``.
    """
    part, data = (lines[name].iat[0] for name in ("part", "data"))
    known = PUBLISHED[part] if data == part else ()
    name = f"{NAMES[part]}, {lines['train_images'].max():.0f} images ({data})"
    yield Listing(
        title=f"{name}: predictors{CAVEAT if known and part == 'cifar100' else ''}",
        lines=lines_of({who: LABELS[who] for who in PREDICTORS}, part=part),
        columns=[*_errors(known), *_gains(known)],
    )
    yield Listing(
        title=f"{name}: variance of a prediction over draws of masks, or of SGD",
        lines=lines_of(
            {f"masks_{n}": f"mean over {n}" for n in MASKS.numbers} | {"distilled": "student"},
            part=part,
        ),
        columns=[measure("error, %", "error"), _number("variance", "variance", 5)],
    )
    sets = LABELS | {"distilled": "perturbed"}
    yield Listing(
        title=f"{name}: transfer sets, as many steps of each",
        lines=lines_of(
            {who: sets[who] for who in ("taught_on_train", "distilled", "taught_on_test")},
            part=part,
        ),
        labels=("taught on",),
        columns=[_count("different images", "different_images"), measure("error, %", "error")],
    )
    if "factor" in lines.columns and bool(lines["factor"].notna().any()):
        labels: dict[str, Any] = {"taught_by": "labels"}
        masks: dict[str, Any] = {"taught_by": "masks"}
        yield Listing(
            title=f"{name}: smaller nets",
            lines=list(_sizes(lines)),
            labels=("shrunk",),
            columns=[
                _count("parameters", "parameters", **labels),
                measure("labels, dropout, %", "error", **labels),
                measure("student, %", "error", **masks),
                measure("gain, points", "error", unit="points", gain_over=labels, **masks),
            ],
        )


def _errors(known: Iterable[Published]) -> list[Column]:
    """Published errors, ours, and how far ours are from the mean over masks."""
    published = [
        given(
            f"published, {each.net}, other size, %",
            {LABELS[who]: text for who, text in each.texts.items()},
        )
        for each in known
    ]
    return [
        *published,
        measure("error, %", "error"),
        _number("cross-entropy", "cross_entropy"),
        _number("KL from the mean of masks", "divergence"),
    ]


def _gains(known: Iterable[Published]) -> list[Column]:
    """Gains over the standard prediction; less the published one, where there is one."""
    over = {"method": "standard"}

    def more(line: Line) -> Estimate | None:
        ours = gain("error", line.where, over)
        return None if ours is None else ours - measured("published_gain", **line.where)

    ours = measure("gain, points", "error", unit="points", gain_over=over)
    if not known:
        return [ours]
    published = measure("published", "published_gain", unit="points", interval=False, digits=2)
    return [ours, published, estimated("ours - published", more, unit="points")]


def _sizes(lines: pd.DataFrame) -> Iterator[Line]:
    """A line for each size of nets."""
    known = lines.loc[lines["factor"].notna(), ["part", "layers", "factor"]].drop_duplicates()
    for part, layers, factor in known.itertuples(index=False):
        label = LAYERS[layers] if layers == "none" else f"{LAYERS[layers]} / {factor:.0f}"
        yield Line(label=label, where={"part": part, "layers": layers, "factor": factor})


def _number(heading: str, name: str, digits: int | None = None) -> Column:
    return measure(heading, name, unit="number", digits=digits)


def _count(heading: str, name: str, **where: Any) -> Column:
    return measure(heading, name, unit="number", interval=False, digits=0, **where)
