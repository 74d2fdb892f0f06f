"""Draw the figures of every stored run again: ``python figures/make.py [results]``."""

import importlib
import io
import sys
from pathlib import Path

from multiview.results import RESULTS, Run, stored_runs


def draw(run: Run) -> list[Path]:
    """Draw a run's figure from its rows that succeeded, into .png and .pdf beside them."""
    import matplotlib.pyplot as plt

    table = run.table()
    figure = importlib.import_module(f"figures.{run.figure}").draw(table[table["status"] == "ok"])
    paths = []
    for kind, metadata in (("png", {"Software": None}), ("pdf", {"CreationDate": None})):
        buffer = io.BytesIO()  # without dates, so that the same rows give the same bytes
        figure.savefig(buffer, format=kind, metadata=metadata)
        paths.append(run.save(f".{kind}", buffer.getvalue()))
    plt.close(figure)
    return paths


def main(out: Path) -> None:
    """Draw what can be drawn and print the paths."""
    for run in stored_runs(out):
        if run.figure:
            print(*draw(run))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else RESULTS)
