"""Reports of the toy experiment with claims of every verdict, for the tests of the report."""

import math
import sys
import types
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from toy_experiment import EXPERIMENT
from toy_runs import stored_toy, toy_claim

from multiview.runs.html_report import write_report
from multiview.runs.store import Run
from multiview.runs.tables import Line, Listing, measure

HOSTILE = 'P(x < 0) & "1 > 0" <script>alert(1)</script> </table> {{ 7 * 7 }} &lt;'
CLAIMS = [
    toy_claim(0.0, 1.0, name="Every share", statement="a share of heads", primary=True),
    toy_claim(0.9, 1.0, name="many heads", statement=HOSTILE),
    toy_claim(0.5, math.inf, name="no fewer heads", statement="heads as often", source="Lemma <1>"),
    toy_claim(0.9, 1.0, name="many heads?", statement="two names, one anchor", decided="after"),
    toy_claim(0.0, 0.0, name="none", statement="no heads ever", kind="check"),
    toy_claim(0.0, 1.0, name="absent", statement="of what is not there", measure="absent"),
]
REFUTED_FIRST = ["many heads", "many heads?", "none", "no fewer heads", "absent", "Every share"]
VOID = {"meta", "input", "img", "circle", "path", "rect", "line", "use"}


def tables(table: Any) -> list[Listing]:
    """A table wider than a phone, in groups, with a label that must be escaped."""
    where = {"method": "coin", "flips": 200}
    lines = [Line(label=f"{HOSTILE} {i}", where=where, group=f"<b>{i // 2}") for i in range(4)]
    columns = [measure(f"share {i} of heads & tails", "error") for i in range(12)]
    return [Listing(title="Heads < tails", lines=lines, columns=columns)]


REPORTED = replace(
    EXPERIMENT,
    description="Heads ``or`` <tails>.\n\nA second paragraph.",
    claims=lambda cells: CLAIMS,
    tables=tables,
    figure="toy",
)


def draw(table: Any) -> Any:
    """A picture with a clip path and text."""
    from matplotlib.figure import Figure

    figure = Figure()
    axes = figure.subplots()
    coin = table[table["method"] == "coin"]
    axes.plot(coin["seed"], coin["error"], "o-", label="error  of <coins>")
    axes.legend()
    return figure


def reported(
    monkeypatch: Any, out: Path, runs: list[Run] | None = None, experiment: Any = REPORTED
) -> Path:
    """Write the report of runs, of one with four repetitions unless others are given."""
    return reported_of(monkeypatch, out, lambda name: experiment, runs, experiment)


def reported_of(
    monkeypatch: Any,
    out: Path,
    find: Callable[[str], Any],
    runs: list[Run] | None = None,
    experiment: Any = REPORTED,
) -> Path:
    """The same where ``find`` says which experiment has a name."""
    module = types.ModuleType("figures.toy", "Shares of heads\nby seed.\n\nMore.")
    module.draw = draw  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "figures.toy", module)
    monkeypatch.setattr("multiview.runs.sections.find", find)
    if runs is None:
        runs = [stored_toy(out / "results", experiment=experiment, seeds=4)]
    return write_report(runs, out / "report.html")


class Element:
    """An element of a page: its tag, attributes, all text inside, and what it stands in."""

    def __init__(
        self, tag: str, attrs: list[tuple[str, str | None]], within: list["Element"]
    ) -> None:
        self.tag, self.text, self.within = tag, "", tuple(within)
        self.attributes = {name: value or "" for name, value in attrs}


class Page(HTMLParser):
    """A page as a list of its elements; every element must be closed where it should be."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(path.read_text())
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, attrs, self._open))
        if tag not in VOID:
            self._open.append(self.elements[-1])

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, attrs, self._open))

    def handle_endtag(self, tag: str) -> None:
        element = self._open.pop()
        assert element.tag == tag, f"<{element.tag}> is closed by </{tag}>"
        element.text = " ".join(element.text.split())

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def all(self, tag: str, within: Element | None = None, **attributes: str) -> list[Element]:
        """The elements with this tag and these attributes, in order; ``class_`` for class."""
        wanted = {name.rstrip("_"): value for name, value in attributes.items()}
        return [
            each
            for each in self.elements
            if each.tag == tag
            and wanted.items() <= each.attributes.items()
            and (within is None or within in each.within)
        ]

    def values(self, *names: str) -> list[str]:
        """The values of attributes of these names, of all elements."""
        return [
            each.attributes[name]
            for each in self.elements
            for name in names
            if name in each.attributes
        ]
