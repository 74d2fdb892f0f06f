"""Row files: one JSON file a cell, its arrays beside it, both whole or not there."""

import hashlib
import io
import json
import math
import os
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from multiview.atomic import write_atomically

# The columns every row has beside its cell and its result.
RESERVED = frozenset(
    {
        *("key", "experiment", "preset", "code_version", "commit", "status", "failure", "method"),
        *("device", "threads", "package_version", "torch_version", "python_version"),
        *("seconds", "peak_memory", "instructions", "finished"),
    }
)


RUN_SUFFIX = ".run.json"  # of the files of runs, which lie beside the rows
PART_OF = "part_of"  # in the row of a part of a cell: the key of that cell
TYPE = "__type__"  # beside the fields of a dataclass in a plain cell; no column of tables
SETTING = "setting"  # the field of a cell whose own fields are columns without a prefix


class DamagedRow(ValueError):
    """A row file, or the arrays beside it, is not what was written."""


def plain_cell(cell: Any) -> dict[str, Any]:
    """A cell as nested dicts and lists; each dataclass in it with the name of its type.

    Without the name, two types with equal fields would be one cell. The name is that of the class
    without its module, which is ``__main__`` where the script is run as a program. A mapping with
    names as keys, such as the methods of a cell, is a dict in its own order, on which ``row_key``
    does not depend. A field whose metadata say ``{"stored": False}`` is left out: another field
    holds a digest of it.

    Raises:
        ValueError: If a field cannot be written to JSON and read back equal; the message names it.
    """

    def plain(value: Any, where: str) -> Any:
        """``value`` as JSON has it; ``where`` names it in an error."""
        if is_dataclass(value) and not isinstance(value, type):
            own = {
                f.name: plain(getattr(value, f.name), f"{where}.{f.name}")
                for f in fields(value)
                if f.metadata.get("stored", True)
            }
            return {TYPE: type(value).__qualname__, **own}
        if isinstance(value, Mapping):
            if wrong := [key for key in value if not isinstance(key, str) or key == TYPE]:
                raise ValueError(
                    f"{where} has the key {wrong[0]!r}: use strings other than {TYPE!r}."
                )
            return {key: plain(item, f"{where}[{key!r}]") for key, item in value.items()}
        if isinstance(value, tuple | list):
            return [plain(item, f"{where}[{i}]") for i, item in enumerate(value)]
        if value is None or isinstance(value, str | int):
            return value
        if isinstance(value, float) and math.isfinite(value):
            return float(value)
        raise ValueError(
            f"{where}={value!r} cannot stand in a cell: use finite numbers, strings, booleans, "
            "None, and tuples, mappings and dataclasses of them."
        )

    return plain(cell, type(cell).__name__)


def columns(cell: Mapping[str, Any]) -> dict[str, Any]:
    """A plain cell as table columns: nested names joined by dots, lists as tuples.

    The fields of a dataclass under the name ``setting`` join the cell's own, without that prefix.
    The names of types are left out, and so is what describes rather than places a cell: a mapping,
    or a list that holds one or a dataclass, unless all values in the mapping or dataclass are
    scalars.

    Raises:
        ValueError: If two fields would have one column.
    """
    found: dict[str, Any] = {}
    for name, value in cell.items():
        joins = name == SETTING and isinstance(value, dict) and TYPE in value
        for column, item in _columns(value, "") if joins else _columns({name: value}, ""):
            if column in found:
                raise ValueError(
                    f"two fields of the cell have the column {column!r}: choose another name."
                )
            found[column] = item
    return found


def _columns(plain: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """Columns of a plain dataclass or mapping, names of types left out."""
    for name, value in plain.items():
        if isinstance(value, dict) and (TYPE in value or _flat(value)):
            yield from _columns(value, f"{prefix}{name}.")
        elif not isinstance(value, dict) and name != TYPE and _flat(value):
            yield prefix + name, _as_column(value)


def _flat(value: Any) -> bool:
    """Whether every dict in a plain value holds scalars only."""
    if isinstance(value, dict):
        return not any(isinstance(item, dict | list) for item in value.values())
    return all(map(_flat, value)) if isinstance(value, list) else True


def _as_column(value: Any) -> Any:
    """A plain value with tuples for lists, without the names of types."""
    if isinstance(value, dict):
        return {name: _as_column(item) for name, item in value.items() if name != TYPE}
    return tuple(map(_as_column, value)) if isinstance(value, list) else value


def check_tidy(result: Any) -> None:
    """Raise an error unless a result is ``{method: {measure: value}}``.

    Raises:
        TypeError: If it is not.
        ValueError: If the name of a measure holds a slash, which parts it from its method.
    """
    tidy = "return {method: {measure: value}}, what belongs to no method under 'data'."
    if not isinstance(result, Mapping):
        raise TypeError(f"the result is a {type(result).__name__}: {tidy}")
    for method, measures in result.items():
        if not isinstance(measures, Mapping):
            raise TypeError(f"{method!r} of the result is a {type(measures).__name__}: {tidy}")
        for name in (method, *measures):
            if not isinstance(name, str):
                raise TypeError(f"{name!r} is a name in the result: {tidy}")
        if slashes := [measure for measure in measures if "/" in measure]:
            raise ValueError(f"the measure {slashes[0]!r} holds a slash: choose another name.")


def check_no_clash(
    cell: Mapping[str, Any], result: Mapping[str, Any] = MappingProxyType({})
) -> None:
    """Raise a ValueError if two of cell, result and bookkeeping share a column."""
    fields = set(columns(cell))
    names = {measure for measures in result.values() for measure in measures}
    if clash := (fields & names) | ((fields | names) & RESERVED):
        raise ValueError(f"the column {min(clash)!r} exists already: choose another name.")


def row_key(experiment: str, cell: Any, version: str) -> str:
    """The name of a cell's row: a hash of the experiment, every field and the code version."""
    text = json.dumps([experiment, plain_cell(cell), version], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def split_result(result: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Part a tidy result into what goes to JSON and the arrays (or CPU tensors) that do not.

    Returns:
        ``{method: {measure: value}}`` and the arrays by ``"method/measure"``.

    Raises:
        TypeError: If a value is neither; the message names it.
    """

    def plain(value: Any, where: str) -> Any:
        """``value`` as JSON has it; ``where`` names it in an error."""
        if value is None or isinstance(value, str | int):
            return value
        if isinstance(value, float):
            return float(value)
        if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
            return {key: plain(item, f"{where}.{key}") for key, item in value.items()}
        if isinstance(value, tuple | list):
            return [plain(item, f"{where}[{i}]") for i, item in enumerate(value)]
        if hasattr(value, "__array__") and np.asarray(value).ndim == 0:
            return np.asarray(value).item()
        raise TypeError(
            f"{where} is a {type(value).__name__}: a row holds numbers, strings, booleans, None, "
            "lists and dicts of them, and arrays as measures."
        )

    values: dict[str, dict[str, Any]] = {}
    arrays: dict[str, np.ndarray] = {}
    for method, measures in result.items():
        values[method] = {}
        for measure, value in measures.items():
            where = f"{method}/{measure}"
            if hasattr(value, "__array__") and np.ndim(value) > 0:
                arrays[where] = np.asarray(value)
                if arrays[where].dtype.hasobject:
                    raise TypeError(f"{where} is an array of objects: a row holds numbers.")
            else:
                values[method][measure] = plain(value, where)
    return values, arrays


def lines(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row as lines of a table, one a method; a failed cell's is one line without a method."""
    stamp = {k: v for k, v in row.items() if k not in ("cell", "result", "arrays")}
    cell = columns(row["cell"])
    found = []
    for method, measures in row["result"].items() or [(None, {})]:
        own = {
            where.rpartition("/")[2]: array
            for where, array in row["arrays"].items()
            if where.rpartition("/")[0] == method
        }
        found.append({**cell, "method": method, **measures, **own, **stamp})
    return found


def row_path(directory: Path, key: str) -> Path:
    """Where a row is, or would be stored: in a subfolder where the folder has such."""
    path = directory / f"{key}.json"
    below = directory / key[:2]
    return below / path.name if below.is_dir() and not path.exists() else path


def row_paths(directory: Path) -> list[Path]:
    """The files of all rows in a folder and its subfolders."""
    paths = [*directory.glob("*.json"), *directory.glob("[0-9a-f][0-9a-f]/*.json")]
    return [path for path in paths if not path.name.endswith(RUN_SUFFIX)]


def stored_keys(directory: Path) -> set[str]:
    """The keys of all rows there, whether whole or damaged: names alone are read."""
    folders = [directory, *directory.glob("[0-9a-f][0-9a-f]/")]
    names = {name for folder in folders for name in os.listdir(folder)}
    return {name.removesuffix(".json") for name in names if name.endswith(".json")}


def make_subfolders(directory: Path) -> None:
    """Spread the rows to come over 256 folders: one with many thousand files is slow to list."""
    for number in range(256):
        (directory / f"{number:02x}").mkdir(exist_ok=True)


def write_row(directory: Path, row: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Store ``row`` under its ``key``; the arrays come first, so a row never lacks them."""
    row, path = {**row, "arrays": None}, row_path(directory, row["key"])
    if arrays:
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)  # type: ignore[arg-type]
        write_atomically(path.with_suffix(".npz"), buffer.getvalue())
        row["arrays"] = hashlib.sha256(buffer.getvalue()).hexdigest()
    text = json.dumps({"digest": _digest(row), "row": row}, indent=1)
    write_atomically(path, text.encode())


def read_row(path: Path) -> dict[str, Any]:
    """Read a row back, its arrays under ``arrays``.

    Raises:
        DamagedRow: If anything differs from what was written.
        FileNotFoundError: If there is no such row.
    """
    try:
        stored = json.loads(path.read_bytes())
        row, digest = stored["row"], stored["digest"]
        if digest != _digest(row):
            raise DamagedRow(f"{path}: its content does not match its digest")
        if row["key"] != path.stem:
            raise DamagedRow(f"{path}: it is the row {row['key']} under another name")
        if not all(isinstance(measures, dict) for measures in row["result"].values()):
            raise DamagedRow(f"{path}: its result names no methods, as older versions wrote it")
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        if isinstance(error, DamagedRow):
            raise
        raise DamagedRow(f"{path}: not a row file ({error})") from error
    return {**row, "arrays": _read_arrays(path.with_suffix(".npz"), row["arrays"])}


def _digest(row: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(row).encode()).hexdigest()


def _read_arrays(path: Path, digest: str | None) -> dict[str, np.ndarray]:
    if digest is None:
        return {}
    if not path.exists():
        raise DamagedRow(f"{path}: the row's arrays are missing")
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != digest:
        raise DamagedRow(f"{path}: {len(data)} bytes that do not match the row's digest")
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return dict(arrays)
    except (ValueError, TypeError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        raise DamagedRow(f"{path}: not an archive of arrays ({type(error).__name__})") from error
