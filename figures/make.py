"""Draw figures again: of every stored run, or of the published rows.

``python figures/make.py [results]`` or ``multiview figures``.
"""

import importlib
import io
import re
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from multiview.atomic import write_atomically
from multiview.runs.experiment import Experiment
from multiview.runs.find import find
from multiview.runs.publish import published_runs, rows_folder
from multiview.runs.store import RESULTS, Run, no_results, stored_runs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

R = TypeVar("R", bound=Run)
# Without dates, so that the same rows give the same bytes.
METADATA: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None},
    "svg": {"Date": None, "Creator": None, "Format": None, "Type": None},
}
FILES = ("png", "pdf")  # of a run's figure beside its rows
# Texts of an SVG stay texts. They are laid out with the font that comes with matplotlib and shown
# with one of its widths, so that the bytes do not depend on the fonts of the machine.
SVG: dict[Any, Any] = {  # settings of matplotlib
    "svg.fonttype": "none",
    "svg.hashsalt": "multiview",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "sans-serif"],
}
PLACE = re.compile(r'(?<= )(?:d|x|y)="[^"]*"(?=[^<>]*>)')  # attributes of coordinates
LONG_NUMBER = re.compile(r"(\.\d\d)\d+")


def picture(run: Run, experiment: Experiment | None = None) -> "Figure | None":
    """The figure of a run's rows that succeeded; None without such a row.

    Args:
        experiment: That of the run; found by its name if not given.
    """
    table = (experiment or find(run.experiment)).derive(run.table())
    return None if table.empty else importlib.import_module(f"figures.{run.figure}").draw(table)


def encoded(figure: "Figure", kind: str) -> bytes:
    """A figure as the bytes of a file of this kind: png, pdf or svg."""
    import matplotlib

    buffer = io.BytesIO()
    with matplotlib.rc_context(SVG if kind == "svg" else {}):
        figure.savefig(buffer, format=kind, metadata=METADATA[kind])
    return short(buffer.getvalue().decode()).encode() if kind == "svg" else buffer.getvalue()


def short(svg: str) -> str:
    """An SVG with coordinates cut to a hundredth of a point and without indentation.

    Spaces within its texts are kept, as other formats show them.
    """
    svg = svg.replace("*{stroke", "text{white-space:pre}*{stroke", 1)
    cut = PLACE.sub(lambda place: LONG_NUMBER.sub(r"\1", place[0]), svg)
    return re.sub(r"\n\s*", "\n", cut)


def draw(run: Run, experiment: Experiment | None = None) -> list[Path]:
    """Draw a run's figure into .png and .pdf beside its rows; nothing if no row succeeded."""
    import matplotlib.pyplot as plt

    figure = picture(run, experiment)
    if figure is None:
        return []
    paths = [run.save(f".{kind}", encoded(figure, kind)) for kind in FILES]
    plt.close(figure)
    return paths


def main(out: Path = RESULTS) -> int:
    """Draw what can be drawn and print the paths; 1 if a figure could not be drawn, else 0.

    Raises:
        FileNotFoundError: If no run is stored.
    """
    runs = stored_runs(out)
    if not runs:
        raise FileNotFoundError(no_results(out))
    return _draw_all(runs, draw)


def draw_published(out: Path) -> int:
    """Draw every picture of the published rows as OUT/LABEL.png; returns as ``main``.

    Raises:
        FileNotFoundError: If no rows are published.
    """
    runs = published_runs(rows_folder())
    if not runs:
        raise FileNotFoundError(f"no published rows in {rows_folder()}: see `multiview publish`.")
    out.mkdir(parents=True, exist_ok=True)

    def draw_one(run: Run) -> list[Path]:
        figure, path = picture(run), out / f"{run.label}.png"
        if figure is not None:
            write_atomically(path, encoded(figure, "png"))
        return [path] if figure is not None else []

    return _draw_all(runs, draw_one)


def _draw_all(runs: list[R], draw_one: Callable[[R], list[Path]]) -> int:
    """Draw each run that can be drawn; 1 if one could not, else 0."""
    code = 0
    for run in runs:
        if run.figure is None:
            print(f"{run.label}: the experiment has no figure.", file=sys.stderr)
            continue
        try:
            paths = draw_one(run)
            if not paths:
                print(f"{run.label}: no row succeeded, nothing to draw.", file=sys.stderr)
            for path in paths:
                print(path)
        except Exception:  # rows of an unfinished run must not stop the others
            print(f"{run.label} cannot be drawn:", file=sys.stderr)
            traceback.print_exc()
            code = 1
    return code


if __name__ == "__main__":
    try:
        sys.exit(main(*map(Path, sys.argv[1:2])))
    except FileNotFoundError as error:
        sys.exit(str(error))
