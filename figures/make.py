"""Draw the figures of every stored run again: ``python figures/make.py [results]``."""

import importlib
import io
import sys
import traceback
from pathlib import Path

from multiview.runs.experiment import Experiment
from multiview.runs.find import find
from multiview.runs.store import RESULTS, Run, no_results, stored_runs


def draw(run: Run, experiment: Experiment | None = None) -> list[Path]:
    """Draw a run's figure from its rows that succeeded, into .png and .pdf beside them.

    Without such a row nothing is drawn.

    Args:
        experiment: That of the run; found by its name if not given.
    """
    import matplotlib.pyplot as plt

    table = (experiment or find(run.experiment)).derive(run.table())
    if table.empty:
        return []
    figure = importlib.import_module(f"figures.{run.figure}").draw(table)
    paths = []
    for kind, metadata in (("png", {"Software": None}), ("pdf", {"CreationDate": None})):
        buffer = io.BytesIO()  # without dates, so that the same rows give the same bytes
        figure.savefig(buffer, format=kind, metadata=metadata)
        paths.append(run.save(f".{kind}", buffer.getvalue()))
    plt.close(figure)
    return paths


def main(out: Path = RESULTS) -> int:
    """Draw what can be drawn and print the paths; 1 if a figure could not be drawn, else 0.

    Raises:
        FileNotFoundError: If no run is stored.
    """
    code, runs = 0, stored_runs(out)
    if not runs:
        raise FileNotFoundError(no_results(out))
    for run in runs:
        if run.figure is None:
            print(f"{run.label}: the experiment has no figure.", file=sys.stderr)
        else:
            try:
                paths = draw(run)
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
