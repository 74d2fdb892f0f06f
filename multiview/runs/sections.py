"""Sections of the report: what it says of each run."""

import base64
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from multiview.runs.cards import Card, cards
from multiview.runs.counts import Summary, summary_of
from multiview.runs.experiment import Experiment
from multiview.runs.find import drawing, find
from multiview.runs.grid import Grid
from multiview.runs.report import about_claims, about_rows, grids
from multiview.runs.store import Run
from multiview.runs.verdicts import judgements

if TYPE_CHECKING:
    from pandas import DataFrame

T = TypeVar("T")


class Picture(NamedTuple):
    """A figure as the address of an image that holds all of it, and what it shows, in words."""

    source: str
    shows: str


class Sources(NamedTuple):
    """Where rows come from.

    Attributes:
        finished: The date of the newest row; "" without rows.
    """

    rows: int
    finished: str
    commits: tuple[str, ...]
    versions: tuple[str, ...]
    machines: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Section:
    """What the report says of a run.

    Attributes:
        title: The first line of the experiment's description.
        description: The paragraphs after it.
        notes: What a reader must know before trusting the numbers.
        seeds: Those of its rows, in words.
    """

    run: Run
    title: str
    description: list[str]
    notes: list[str]
    sources: Sources
    seeds: str
    minutes: float
    picture: Picture | None
    grids: list[Grid]
    cards: list[Card]
    summary: Summary


def section_of(run: Run) -> Section:
    """All that the report says of a run; what cannot be made of it is noted."""
    rows, broken = run.rows(), list[str]()
    experiment = tried(broken, "script cannot be imported", lambda: find(run.experiment))
    seeds = sorted({row["cell"]["seed"] for row in rows})
    return Section(
        run=run,
        sources=sources_of(rows),
        seeds=f"{seeds[0]} to {seeds[-1]}" if seeds[1:] else "".join(map(str, seeds)),
        minutes=sum(row["seconds"] for row in rows) / 60,
        **(said_by(experiment, run, broken) if experiment else nothing_said(run, broken)),
    )


def said_by(experiment: Experiment, run: Run, broken: list[str]) -> dict[str, Any]:
    """The fields of a section that the experiment's script has its part in."""
    table = run.table()
    title, *paragraphs = paragraphs_of(experiment.description or experiment.name)
    judged = tried(broken, "claims cannot be made", lambda: judged_cards(experiment, run, table))
    found, summary = judged or ([], summary_of([]))
    known = tried(broken, "notes cannot be made", lambda: about_rows(experiment, run, table)) or []
    if judged:
        known += about_claims(experiment, run)
    lines = tried(broken, "tables cannot be made", lambda: list(grids(experiment, table))) or []
    picture = tried(broken, "figure cannot be made", lambda: picture_of(run, experiment, table))
    return {
        "title": title,
        "description": paragraphs,
        "notes": [*known, *broken],
        "picture": picture,
        "grids": lines,
        "cards": found,
        "summary": summary,
    }


def nothing_said(run: Run, broken: list[str]) -> dict[str, Any]:
    """The same where there is no experiment, as its script cannot be imported."""
    return {
        "title": run.experiment,
        "description": [],
        "notes": broken,
        "picture": None,
        "grids": [],
        "cards": [],
        "summary": summary_of([]),
    }


def judged_cards(
    experiment: Experiment, run: Run, table: "DataFrame"
) -> tuple[list[Card], Summary]:
    """The experiment's claims about a run as cards, and how many there are of each verdict."""
    judged = judgements(experiment, run, table)
    return cards(run, judged), summary_of(judged)


def tried(broken: list[str], what: str, make: Callable[[], T]) -> T | None:
    """What ``make`` returns; where it fails, None, and why is added to what is ``broken``.

    A run whose script is broken, or whose rows are missing or were made by older code, must not
    hide all others.
    """
    try:
        return make()
    except Exception as error:
        broken.append(f"The {what}: {type(error).__name__}: {error}")
        return None


def picture_of(run: Run, experiment: Experiment, table: "DataFrame") -> Picture | None:
    """The figure of a run as an SVG; None if it has none or no row succeeded."""
    lines = experiment.derive(table)
    if run.figure is None or lines.empty:
        return None
    module = drawing(run.figure)
    svg = drawing("make").encoded(module.draw(lines), "svg")
    shows = paragraphs_of(inspect.getdoc(module) or experiment.title)[0]
    return Picture(f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}", shows)


def paragraphs_of(text: str) -> list[str]:
    """The paragraphs of a docstring, each as one line."""
    return [" ".join(each.split()) for each in inspect.cleandoc(text).split("\n\n") if each.strip()]


def sources_of(rows: Iterable[Mapping[str, Any]]) -> Sources:
    """Where rows come from, each fact once."""
    every = list(rows)

    def each(texts: Iterator[str]) -> tuple[str, ...]:
        return tuple(sorted({text for text in texts if text}))

    return Sources(
        rows=len(every),
        finished=max((row["finished"][:10] for row in every), default=""),
        commits=each(shortened(row["commit"]) for row in every),
        versions=each(
            f"multiview {row['package_version']}, torch {row['torch_version']}, "
            f"Python {row['python_version']}"
            for row in every
        ),
        machines=each(f"{row['device']} with {row['threads']} thread(s)" for row in every),
    )


def shortened(commit: str) -> str:
    """A commit as a reader can look it up, and whether the code was as it says."""
    digits, dash, dirty = commit.partition("-")
    return digits[:10] + dash + dirty
