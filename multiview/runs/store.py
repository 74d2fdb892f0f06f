"""The store of results: rows read as one table, and the runs they belong to."""

import importlib.util
import json
import shlex
import warnings
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from multiview.atomic import write_atomically
from multiview.runs.rows import (
    PART_OF,
    RUN_SUFFIX,
    DamagedRow,
    lines,
    make_subfolders,
    read_row,
    row_path,
    row_paths,
)

if TYPE_CHECKING:
    import pandas

RESULTS = Path("results")  # below the current directory
MANY = 10_000  # rows, beyond which they lie in subfolders


def load(source: str | Path, versions: Literal["newest", "all"] = "newest") -> "pandas.DataFrame":
    """Every stored row of an experiment, one line a cell and method, in the order of finishing.

    Columns are the cell's fields (nested ones with dots: ``spec.mu``), ``method``, the measures
    (NaN where a method lacks one; arrays as numpy arrays), and the bookkeeping: ``status`` ("ok",
    "failed", or "lost" of a cell whose processes were killed), ``failure``, ``preset``,
    ``code_version``, ``commit``, ``seconds`` and so on. Damaged files are named in a warning.

    Args:
        source: An experiment's name (``results/NAME`` is read) or a directory of rows.
        versions: "newest" keeps the code version of the row that finished last and says how many
            rows it left out.

    Raises:
        ValueError: If rows of several experiments are there.
        FileNotFoundError: If there is no row; the message holds the command that makes some.
    """
    if versions not in ("newest", "all"):
        raise ValueError(f"versions={versions!r} is neither 'newest' nor 'all': use one of them.")
    directory = RESULTS / source if (RESULTS / source).is_dir() else Path(source)
    paths = row_paths(directory)
    if not paths:  # --out itself, with an experiment in each of its directories
        paths = [path for below in directory.glob("*/") for path in row_paths(below)]
    whole = (row for row in read_rows(paths) if PART_OF not in row)
    rows = sorted(whole, key=lambda row: (row["finished"], row["key"]))
    if len(names := sorted({row["experiment"] for row in rows})) > 1:
        raise ValueError(
            f"{directory} holds rows of {', '.join(names)}, whose columns differ: load one "
            f"experiment, such as {str(directory / names[0])!r}."
        )
    if not rows:
        where = directory if directory.is_dir() else RESULTS / source
        raise FileNotFoundError(f"no rows in {where}: make them with `multiview run {where.name}`.")
    if versions == "newest":
        kept = [row for row in rows if row["code_version"] == rows[-1]["code_version"]]
        if len(kept) < len(rows):
            warnings.warn(
                f"{len(rows) - len(kept)} rows in {directory} were made by older code and are left "
                'out; load(..., versions="all") reads them too.',
                stacklevel=2,
            )
        rows = kept
    return as_table(rows)


def read_rows(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """The rows that are whole; a warning names each that is damaged."""
    rows = []
    for path in paths:
        try:
            rows.append(read_row(path))
        except DamagedRow as damage:
            warnings.warn(f"damaged row, computed again by the next run: {damage}", stacklevel=3)
    return rows


def as_table(rows: Iterable[dict[str, Any]]) -> "pandas.DataFrame":
    """One line a row and method, a column a measure; nested fields of the cell get dots."""
    import pandas

    return pandas.DataFrame([line for row in rows for line in lines(row)])


def check_export(path: Path) -> None:
    """Raise a ValueError unless the ending of an export's path is one of those we can write."""
    if path.suffix not in (".parquet", ".csv"):
        raise ValueError(f"export={path} must end in .parquet or .csv: name such a file.")
    if path.suffix == ".parquet" and importlib.util.find_spec("pyarrow") is None:
        raise ValueError(
            f"export={path} needs the package pyarrow: pip install 'multiview-theory[parquet]', or "
            "name a .csv file."
        )


def export(table: "pandas.DataFrame", path: Path) -> None:
    """Write ``table`` to ``path``, whose ending .parquet or .csv says how.

    Arrays become lists; lists, which may be ragged, become JSON text.

    Raises:
        ValueError: If the ending is another.
    """
    check_export(path)

    def plain(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return value.tolist()
        return json.dumps(value) if isinstance(value, list | tuple | dict) else value

    table = table.map(plain)
    data = table.to_csv(index=False) if path.suffix == ".csv" else table.to_parquet(index=False)
    write_atomically(path, data.encode() if isinstance(data, str) else data)


@dataclass(frozen=True, kw_only=True)
class Run:
    """The rows that one preset of an experiment, with its options, asked for last."""

    directory: Path
    label: str  # stem of the run's files
    experiment: str
    preset: str
    options: dict[str, Any]
    figure: str | None  # module in figures/
    code_version: str
    keys: tuple[str, ...]  # of its rows, in grid order
    command: str = ""  # that makes them
    claims: tuple[dict[str, Any], ...] = ()  # as registered when the run was first planned

    def rows(self) -> list[dict[str, Any]]:
        """The run's rows that are stored by now, in grid order."""
        paths = (row_path(self.directory, key) for key in self.keys)
        rows = read_rows(path for path in paths if path.exists())
        return [{**row, "preset": self.preset} for row in rows]

    def store(self) -> None:
        """Remember which rows the run wants, and make folders for them."""
        self.directory.mkdir(parents=True, exist_ok=True)
        if len(self.keys) > MANY:
            make_subfolders(self.directory)
        stored = {k: v for k, v in asdict(self).items() if k not in ("directory", "label")}
        self.save(RUN_SUFFIX, json.dumps(stored, indent=1).encode())

    def save(self, suffix: str, data: bytes) -> Path:
        """Write a file of this run, e.g. its figure, atomically; returns its path."""
        path = self.directory / (self.label + suffix)
        write_atomically(path, data)
        return path

    def table(self) -> "pandas.DataFrame":
        """The run's rows as one table, one line a cell and method."""
        return as_table(self.rows())


def concatenated(runs: Iterable[Run]) -> "pandas.DataFrame":
    """The rows of several runs as one table."""
    return as_table(row for run in runs for row in run.rows())


def no_results(out: Path, run: str = "NAME", folder: Path | None = None) -> str:
    """What to say where no run is stored.

    Args:
        run: What to run: an experiment, with its options.
        folder: Where results were looked for, if not in ``out`` itself.
    """
    out_option = "" if out == RESULTS else f" --out {shlex.quote(str(out))}"
    return f"no results in {folder or out}: make some with `multiview run {run}{out_option}`."


def stored_runs(out: Path = RESULTS, experiment: str = "*") -> list[Run]:
    """The runs stored below ``out``, sorted by experiment and label."""
    runs = []
    for path in out.glob(f"{experiment}/*{RUN_SUFFIX}"):
        label = path.name.removesuffix(RUN_SUFFIX)
        try:
            stored = json.loads(path.read_bytes())
            stored |= {name: tuple(stored[name]) for name in ("keys", "claims")}
            runs.append(Run(directory=path.parent, label=label, **stored))
        except (ValueError, TypeError, LookupError, RecursionError) as error:
            warnings.warn(f"damaged run file {path}: run it again ({error})", stacklevel=2)
    return sorted(runs, key=lambda run: (run.experiment, run.label))
