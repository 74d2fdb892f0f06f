"""Pages with numbers: what stands between two marks in them is written from the published rows.

A mark is a comment, ``<!-- tables: LABEL -->``, and ends with ``<!-- end -->``. After the name of
what is written comes the label of a published run: of several with commas between for ``findings``,
and of none for ``all claims``.
"""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

from multiview.atomic import write_atomically
from multiview.runs.claims import Judgement
from multiview.runs.counts import Summary, benjamini_hochberg, in_words, summary_of
from multiview.runs.find import find, names, package_folder
from multiview.runs.grid import Grid
from multiview.runs.publish import PublishedRun, published_runs, rows_folder
from multiview.runs.recomputed import recorded
from multiview.runs.report import grids, is_newest
from multiview.runs.runner import label_of
from multiview.runs.verdicts import cells, claims_grid, dropped, judgements, predicted

END = "<!-- end -->"
MARK = re.compile(r"(<!-- (?!end )([a-z ]+?)(?:: (\S+))? -->\n)")
BLOCK = re.compile(rf"{MARK.pattern}.*?({END})", re.DOTALL)


def root() -> Path:
    """The folder that holds README.md and the package of the experiments."""
    return package_folder().parent


def page_paths() -> list[Path]:
    """Every page that may hold marks."""
    own = package_folder()
    pages = [root() / "README.md", root() / "figures" / "README.md", own / "README.md"]
    return [path for path in [*pages, *sorted((own / "pages").glob("*.md"))] if path.exists()]


def write_pages(*, check: bool = False) -> list[Path]:
    """Write what stands between marks; returns the pages that were not as their rows make them.

    Args:
        check: Write nothing.

    Raises:
        FileNotFoundError: If there is no clone around the experiments: pages lie in one.
        ValueError: If a mark names what cannot be written or a run that is not published. No page
            is written then.
    """
    if not (root() / "pyproject.toml").exists():
        raise FileNotFoundError(f"{root()} is no clone of the repository: pages lie in one.")
    published = Published()
    texts = {path: path.read_text() for path in page_paths()}
    new = {path: _written(published, path, text) for path, text in texts.items()}
    stale = [path for path, text in texts.items() if new[path] != text]
    for path in () if check else stale:
        write_atomically(path, new[path].encode())
    return stale


def _written(published: "Published", path: Path, text: str) -> str:
    """The text of a page with everything between its marks written anew."""
    check_marks_closed(path, text)
    return BLOCK.sub(partial(_block, published, path), text)


def check_marks_closed(path: Path, text: str) -> None:
    """Raise a ValueError for a mark without its end: the next one's end would take its place."""
    for match in BLOCK.finditer(text + END):
        if MARK.search(match[0], 1) or match.end() > len(text):
            raise ValueError(f"{path}: {match[1].strip()} has no {END} before the next mark.")


class Published:
    """The published runs, each read and judged once."""

    def __init__(self) -> None:
        runs = published_runs(rows_folder())
        self.runs = {run.label: run for run in runs}
        self._judged: dict[str, list[Judgement]] = {}

    def run(self, label: str) -> PublishedRun:
        """The run of this label.

        Raises:
            ValueError: If it is not published.
        """
        if label not in self.runs:
            raise ValueError(f"no run {label!r} is published: `multiview publish` it.")
        return self.runs[label]

    def judged(self, label: str) -> list[Judgement]:
        """The claims of a run with their verdicts."""
        if label not in self._judged:
            run = self.run(label)
            self._judged[label] = judgements(find(run.experiment), run, run.table())
        return self._judged[label]


def _block(published: Published, path: Path, match: re.Match[str]) -> str:
    begin, what, label, end = match.groups()
    if what not in (OF_RUN if label else OF_ALL):
        known = ", ".join([*(f"{name}: LABEL" for name in OF_RUN), *OF_ALL])
        raise ValueError(f"{path} asks for {what!r} between marks: there are {known}.")
    text = OF_RUN[what](published, label) if label else OF_ALL[what](published)
    return f"{begin}{text}\n{end}"


def about(published: Published, label: str) -> str:
    """Where the numbers come from."""
    run = published.run(label)
    rows = run.rows()
    seeds = sorted({row["cell"]["seed"] for row in rows})
    commits = sorted({row["commit"][:10] for row in rows})
    threads = sorted({row["threads"] for row in rows})
    torch = sorted({row["torch_version"] for row in rows})
    minutes = sum(row["seconds"] for row in rows) / 60
    processors = " or ".join(sorted({row.get("instructions", "") for row in rows} - {""}))
    return (
        f"Numbers and picture are those of `{run.command}`: {len(rows)} rows, {_span(seeds)}, "
        f"commit {' and '.join(commits)}, finished "
        f"{max(row['finished'] for row in rows)[:10]}, {minutes:.0f} minutes of "
        f"{rows[0]['device']} with {' or '.join(map(str, threads))} thread(s), torch "
        f"{' and '.join(torch)}{f' ({processors})' if processors else ''}.{_changed_since(run)}"
    )


def _span(seeds: list[int]) -> str:
    return f"seeds {seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else f"seed {seeds[0]}"


def _changed_since(run: PublishedRun) -> str:
    """That other code made the rows than today's, and how rows of today's agree with them."""
    experiment = find(run.experiment)
    if is_newest(experiment, run):
        return ""
    found = [each for each in recorded(rows_folder(), run.experiment) if each.label == run.label]
    known = [each for each in found if each.code_version == experiment.code_version()]
    text = " The code has changed since in what may change these numbers"
    return f"{text}; {known[0]}." if known else f"{text}."


def tables(published: Published, label: str) -> str:
    """Everything that the experiment prints of a run."""
    run = published.run(label)
    found = [grid.markdown() for grid in grids(find(run.experiment), run.table())]
    return "\n\n".join(found)


def claims(published: Published, label: str) -> str:
    """The claims of a run and their verdicts."""
    run, text = published.run(label), claims_grid(published.judged(label)).markdown()
    gone = dropped(find(run.experiment), run)
    return f"{text}\n\nRegistered, but stated no more: {', '.join(gone)}." if gone else text


def findings(published: Published, labels: str) -> str:
    """The primary claims of these runs, with links from the front page to their pages.

    Below stands how all published claims were judged.

    Args:
        labels: Those of the runs, in order, with commas between.
    """
    headings = ("finding", "paper", "predicted", "here [95%]", "n", "verdict")
    rows = []
    for label in labels.split(","):
        run, judged = published.run(label), published.judged(label)
        for each, survives in zip(judged, benjamini_hochberg(judged), strict=True):
            if each.claim.primary:
                _, *values, verdict = cells(each, survives)
                page = f"{package_folder().name}/pages/{run.experiment}.md"
                texts = (each.claim.statement, *values, f"[{verdict}]({page})")
                rows.append(("", texts))
    table = Grid("", "", headings, rows).markdown()
    every = in_all(published).claims
    return f"{table}\n\nAll {sum(every.values())} published claims: {in_words(every)}."


def all_claims(published: Published) -> str:
    """Every claim of every experiment, with its verdict where rows are published."""
    parts = []
    for name in names():
        experiment, label = find(name), _default_label(name)
        stated = experiment.claims_about(experiment.default_preset, experiment.options())
        if label in published.runs:
            parts.append(f"## {name}\n\n{claims_grid(published.judged(label)).markdown()}")
        elif stated:
            rows = [
                ("", (f"{c.name}: {c.statement}", c.source, predicted(*c.predicted), c.kind))
                for c in stated
            ]
            grid = Grid("No rows published yet", "", ("claim", "source", "predicted", "kind"), rows)
            parts.append(f"## {name}\n\n{grid.markdown()}")
    return "\n\n".join([f"Of the published runs: {in_all(published)}", *parts])


def in_all(published: Published) -> Summary:
    """How the claims of all published runs were judged, each experiment by its default preset."""
    labels = [label for label in map(_default_label, names()) if label in published.runs]
    return sum((summary_of(published.judged(label)) for label in labels), summary_of([]))


def _default_label(name: str) -> str:
    """The label of an experiment's run with default preset and options."""
    experiment = find(name)
    return label_of(experiment, experiment.default_preset, experiment.options())


OF_RUN: dict[str, Callable[[Published, str], str]] = {
    "about": about,
    "tables": tables,
    "claims": claims,
    "findings": findings,
}
OF_ALL: dict[str, Callable[[Published], str]] = {
    "all claims": all_claims,
}
