"""The report: claims, verdicts, figures and tables of runs in one HTML file.

The file needs nothing beside it: its style, figures and list of claims are inside, it asks no other
place for anything and runs no script. Equal rows give equal bytes.
"""

import base64
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from multiview.atomic import check_writable, write_atomically
from multiview.runs.cards import REFUTED_FIRST, Card, as_csv, refuted_first
from multiview.runs.counts import summary_of
from multiview.runs.find import OTHERS, names
from multiview.runs.sections import Section, section_of, sources_of
from multiview.runs.store import Run

REPORT = Path("report.html")  # in the current directory
ENDINGS = (".html", ".htm")


def check_report(path: Path) -> None:
    """Raise an error unless a report can be written to ``path``; called before any row is read.

    Raises:
        ValueError: If its name is not that of an HTML file.
        OSError: If no file can be written there.
    """
    if path.suffix.lower() not in ENDINGS:
        raise ValueError(
            f"out={path} must end in .html: name such a file, and the folder of results by "
            "--results."
        )
    check_writable(path)


def reportable(runs: Sequence[Run]) -> list[Run]:
    """The runs whose experiment is still there."""
    known = {*names(), *OTHERS}
    return [run for run in runs if run.experiment in known]


def write_report(
    runs: Sequence[Run], path: Path, tell: Callable[[str], object] = lambda label: None
) -> Path:
    """Write all that the rows of these runs say to one HTML file, whole or not at all.

    Args:
        runs: Of experiments that are there, at least one.
        tell: Called with the label of each run before it is read.

    Raises:
        OSError: If the file cannot be written.
    """
    sections = []
    for run in runs:
        tell(run.label)
        sections.append(section_of(run))
    write_atomically(path, rendered(sections).encode())
    return path


def rendered(sections: Sequence[Section]) -> str:
    """The report as HTML."""
    import jinja2  # takes longer to import than a help text may

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("multiview.runs", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.globals["zip"] = zip
    environment.filters |= {"percent": lambda share: f"{100 * share:.4g}%", "prose": prose}
    return environment.get_template("report.html").render(**contents(sections))


def prose(text: str) -> Any:
    """A docstring's or a message's text as HTML: what stands between backticks as code."""
    import markupsafe

    code = re.sub(r"(`+)(.+?)\1", r"<code>\2</code>", str(markupsafe.escape(text)))
    return markupsafe.Markup(code)  # of escaped text


def contents(sections: Sequence[Section]) -> dict[str, Any]:
    """What the template asks for."""
    cards = refuted_first(card for section in sections for card in section.cards)
    by_verdict: dict[str, list[Card]] = {
        verdict: [card for card in cards if card.judgement.verdict == verdict]
        for verdict in REFUTED_FIRST
    }
    total = summary_of([])
    for section in sections:
        total += section.summary
    text = as_csv(card for section in sections for card in section.cards)
    return {
        "sections": sections,
        "cards": by_verdict,
        "refuted_first": refuted_first,
        "number": len(cards),
        "total": total,
        "sources": sources_of(row for section in sections for row in section.run.rows()),
        "csv": f"data:text/csv;charset=utf-8;base64,{base64.b64encode(text.encode()).decode()}",
    }
