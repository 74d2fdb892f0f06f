"""Whether this tree computes what another revision computes: smoke presets, bit by bit.

    python tests/same_rows.py BASE [NAME ...] [--out DIR] [--claims-may-differ]

The smoke preset of each experiment is run in a temporary worktree of BASE and in this tree as it
is, on this machine and one thread. Every value of BASE must stand here in the row of the same cell:
under its name, under another, or as an element of a list that was put together or taken apart.
New values are counted; wall times are left out. Claims are compared by name: source, prediction,
and what the estimate of the laptop preset's claim says of the smoke rows. Zero, one, None and words
are found everywhere: how many of the matched values say more is counted, and columns are named
which are found under different names in different cells. Exits with 0 if nothing differs, else 1.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
SHOWN = 20  # differences printed of each script
SMALL = 1000  # a smaller integer may stand anywhere by chance
TIMED = "seconds"  # in the name of a wall time, which no two runs share
TIMED_CLAIMS = ": time"  # ending of a claim about wall times
ENOUGH = 8  # so many numbers that are not all equal say something even if each is small


class Leaf(NamedTuple):
    """One value of a row: a number or an array of them, or a word."""

    name: str  # dotted where dicts are nested
    kind: str  # "number", "bool" or "text"
    shape: tuple[int, ...]
    bits: str  # hexadecimal digits, equally many for each element; of a text the text

    @property
    def value(self) -> tuple[str, tuple[int, ...], str]:
        """What is compared."""
        return self.kind, self.shape, self.bits


class Match(NamedTuple):
    """Where a leaf was found: how, and under which names."""

    leaf: Leaf
    how: str  # "name", "value", "element" or "left out"
    names: frozenset[str]


# Reading: run inside each of the two trees, with that tree first on sys.path.


def leaves(value: Any, name: str = "") -> Iterator[Leaf]:
    """Every value in nested dicts, lists and arrays; lists of numbers are arrays."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from leaves(item, f"{name}.{key}" if name else str(key))
        return
    array = numbers(value)
    if array is not None:
        kind = "bool" if array.dtype == bool else "number"
        yield Leaf(name, kind, array.shape, array.tobytes().hex())
    elif isinstance(value, list | tuple | np.ndarray):
        for i, item in enumerate(value):
            yield from leaves(item, f"{name}[{i}]")
    else:
        yield Leaf(name, "text", (), str(value))


def numbers(value: Any) -> np.ndarray | None:
    """``value`` as float64 or bool, None as NaN; None if it is not of numbers or not exact."""
    try:
        array = np.asarray(nan_for_none(value))
    except ValueError:  # ragged
        return None
    if array.dtype.kind == "b":
        return array
    if array.dtype.kind not in "iuf":
        return None
    wide = array.astype(np.float64)
    if array.dtype.kind in "iu" and not np.array_equal(wide.astype(array.dtype), array):
        return None
    return np.where(np.isnan(wide), np.nan, wide)  # one kind of NaN


def nan_for_none(value: Any) -> Any:
    """NaN for None."""
    return np.nan if value is None else value


def module(*names: str) -> Any:
    """The first of these modules that there is in this tree."""
    for name in names:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if not name.startswith(str(error.name)):
                raise
    raise ModuleNotFoundError(f"none of {', '.join(names)}")


def dump(tree: Path, name: str, out: Path, target: Path) -> None:
    """Write cells, leaves and claims of the smoke run of ``name`` below ``out`` as JSON."""
    package = importlib.import_module("multiview").__file__
    if not Path(str(package)).resolve().is_relative_to(tree.resolve()):
        raise ImportError(f"multiview is {package}, not that of {tree}")
    store = module("multiview.runs.store", "multiview.results")
    rows = module("multiview.runs.rows", "multiview.rows")
    experiment = module("multiview.runs.find", "multiview.find").find(name)
    run = next(run for run in store.stored_runs(out, name) if run.preset == "smoke")
    read = [rows.read_row(run.directory / f"{key}.json") for key in run.keys]
    table = run.table()
    derived = getattr(experiment, "derived", None)
    if derived is not None:
        table = derived(table)
    found = {
        "cells": [
            {
                "fields": plain_fields(row["cell"]),
                "status": row["status"],
                "leaves": [*leaves(row["result"] or {}), *leaves(row["arrays"] or {})],
            }
            for row in read
        ],
        "claims": claims_of(experiment, table[table["status"] == "ok"]),
    }
    target.write_text(json.dumps(found))


def plain_fields(cell: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted fields of a plain cell without the names of types."""
    found: dict[str, Any] = {}
    for name, value in cell.items():
        if isinstance(value, Mapping):
            found |= plain_fields(value, f"{prefix}{name}.")
        elif name != "__type__":
            found[prefix + name] = nameless(value)
    return found


def nameless(value: Any) -> Any:
    """``value`` without the names of types."""
    if isinstance(value, Mapping):
        return {name: nameless(item) for name, item in value.items() if name != "__type__"}
    return [nameless(item) for item in value] if isinstance(value, list | tuple) else value


def claims_of(experiment: Any, ok: Any) -> dict[str, dict[str, Any]]:
    """Claims of the laptop and of the smoke preset, by preset and name, on the smoke rows."""
    found = {}
    for preset in ("laptop", "smoke"):
        found[preset] = {
            claim.name: claim_on(claim, ok) for claim in claims_for(experiment, preset)
        }
    return found


def claims_for(experiment: Any, preset: str) -> Iterable[Any]:
    """The claims of a preset; where claims are of cells, of those of one repetition."""
    options = experiment.options()
    if not hasattr(experiment, "presets"):
        return experiment.claims(preset, options) if preset in experiment.grids else ()
    if preset not in experiment.presets:
        return ()
    cells = experiment.presets[preset].cells
    return experiment.claims(cells(options) if callable(cells) else cells)


def claim_on(claim: Any, ok: Any) -> dict[str, Any]:
    """Source, prediction and either values by seed or the error."""
    found = {"source": claim.source, "predicted": [float(end).hex() for end in claim.predicted]}
    try:
        return {**found, "values": values_by_seed(claim.estimate, ok)}
    except Exception as error:  # what it asks for is in no smoke row
        return {**found, "error": f"{type(error).__name__}: {error}"}


def values_by_seed(estimate: Any, ok: Any) -> list[tuple[str, str]]:
    """(seed, hexadecimal float) of each value; NaN left out, "?" where the seed is unknown."""
    values = estimate.of(ok).by_seed if hasattr(estimate, "of") else estimate(ok)
    index = values.index if hasattr(values, "to_numpy") else None  # not the method of lists
    plain = np.atleast_1d(np.asarray(values, dtype=float))
    if hasattr(estimate, "of") or getattr(index, "name", None) == "seed":
        seeds = list(values.index)
    elif index is not None and index.isin(ok.index).all():  # a column of the table
        seeds = list(ok.loc[index, "seed"])
    else:
        seeds = list(ok["seed"].unique())
    if len(seeds) != len(plain):
        seeds = ["?"] * len(plain)
    pairs = zip(seeds, plain, strict=True)
    return [(str(seed), float(value).hex()) for seed, value in pairs if not np.isnan(value)]


# Comparing: two such dumps.


def pieces(leaf: Leaf) -> Iterator[Leaf]:
    """The elements of an array along its first axis."""
    if leaf.shape and leaf.shape[0]:
        step = len(leaf.bits) // leaf.shape[0]
        for i in range(leaf.shape[0]):
            bits = leaf.bits[i * step : (i + 1) * step]
            yield Leaf(f"{leaf.name}[{i}]", leaf.kind, leaf.shape[1:], bits)


def all_pieces(leaf: Leaf) -> Iterator[Leaf]:
    """Elements, their elements, and so on."""
    for piece in pieces(leaf):
        yield piece
        yield from all_pieces(piece)


def forms(name: str) -> set[str]:
    """Names that mean the same: ``method.measure`` was ``method_measure`` or the other way."""
    parts = name.split(".")
    found = {"_".join(parts), "_".join(reversed(parts))}
    return found | {"_".join(parts[1:])} if parts[0] == "data" else found


class Index:
    """Where the values of a cell are: by name, by value, and as elements."""

    def __init__(self, found: Sequence[Leaf]) -> None:
        self.by_name: dict[str, list[Leaf]] = {}
        self.by_value: dict[Any, set[str]] = {}
        self.inside: dict[Any, set[str]] = {}
        for leaf in found:
            self.by_value.setdefault(leaf.value, set()).add(leaf.name)
            for form in forms(leaf.name):
                self.by_name.setdefault(form, []).append(leaf)
            for piece in all_pieces(leaf):
                self.inside.setdefault(piece.value, set()).add(piece.name)

    def named(self, name: str) -> list[Leaf]:
        """Leaves whose name means the same."""
        return [leaf for form in forms(name) for leaf in self.by_name.get(form, ())]

    def find(self, leaf: Leaf) -> list[Match] | None:
        """Where ``leaf`` is; of one that was taken apart, where its elements are.

        None if it is nowhere, or if another value has its name: a zero would be found elsewhere.
        """
        # Of another shape it is another measure: coverage_x was an array, x.coverage is its mean.
        if named := [other for other in self.named(leaf.name) if other.shape == leaf.shape]:
            same = frozenset(other.name for other in named if other.value == leaf.value)
            return [Match(leaf, "name", same)] if same else None
        if leaf.value in self.by_value:
            return [Match(leaf, "value", frozenset(self.by_value[leaf.value]))]
        if leaf.value in self.inside:
            return [Match(leaf, "element", frozenset(self.inside[leaf.value]))]
        if leaf.shape == () and leaf.kind == "number" and np.isnan(decoded(leaf)):
            return [Match(leaf, "left out", frozenset())]
        parts = [self.find(piece) for piece in pieces(leaf)]
        if not parts or None in parts:
            return None
        return [match._replace(how="element") for part in parts for match in part or ()]


def decoded(leaf: Leaf) -> Any:
    """The value of a leaf as numbers or text."""
    if leaf.kind == "text":
        return leaf.bits
    kind = bool if leaf.kind == "bool" else np.float64
    array = np.frombuffer(bytes.fromhex(leaf.bits), dtype=kind).reshape(leaf.shape)
    return array if leaf.shape else array.item()


def informative(leaf: Leaf) -> bool:
    """Whether the value hardly stands elsewhere by chance."""
    if leaf.kind == "text":
        return False
    values = np.ravel(decoded(leaf)).astype(float)
    values = values[np.isfinite(values)]
    many = len(values) >= ENOUGH and len(np.unique(values)) > 1
    return many or bool(((values != np.round(values)) | (np.abs(values) >= SMALL)).any())


def shown(leaf: Leaf) -> str:
    """A leaf's value in one short line."""
    value = decoded(leaf)
    text = value.hex() if isinstance(value, float) else ""
    whole = f"{value!r} {text}".strip()
    return " ".join(whole.split())[:120]


class Pair(NamedTuple):
    """A cell of BASE and the values here that must hold its own."""

    base: dict[str, Any]
    new: Sequence[dict[str, Any]]


def pair_cells(base: Sequence[dict], new: Sequence[dict]) -> tuple[str, list[Pair]]:
    """Which cells are compared, and in words how they were paired."""
    every = [cell["fields"] for cell in (*base, *new)]
    common = sorted(set.intersection(*(set(fields) for fields in every))) if every else []

    def key(cell: dict) -> str:
        return json.dumps([cell["fields"][name] for name in common])

    here: dict[str, list[dict]] = {}
    for cell in new:
        here.setdefault(key(cell), []).append(cell)
    found = [here.get(key(cell), []) for cell in base]
    if all(len(cells) == 1 for cells in found):
        return "by fields", [Pair(*each) for each in zip(base, found, strict=True)]
    if len(base) == len(new):
        return "BY ORDER", [Pair(one, [two]) for one, two in zip(base, new, strict=True)]

    def same_seed(cell: dict) -> list[dict]:
        return [other for other in new if other["fields"]["seed"] == cell["fields"]["seed"]]

    return "BY SEED ALONE", [Pair(cell, same_seed(cell)) for cell in base]


def tree_leaves(cells: Iterable[dict]) -> list[Leaf]:
    """The leaves of cells, whether they come from JSON or not; wall times are left out."""
    return [
        Leaf(name, kind, tuple(shape), bits)
        for cell in cells
        for name, kind, shape, bits in cell["leaves"]
        if TIMED not in name
    ]


class Report(NamedTuple):
    """What was found of one experiment."""

    summary: str
    differences: list[str]  # of rows
    claim_differences: list[str]
    remarks: list[str]


def compare(base: dict, new: dict) -> Report:
    """Hold the dump of this tree against that of BASE."""
    how, pairs = pair_cells(base["cells"], new["cells"])
    count: Counter[str] = Counter()
    differences, names = [], {}
    fresh: set[str] = set()
    for number, pair in enumerate(pairs):
        old, here = tree_leaves([pair.base]), tree_leaves(pair.new)
        place = f"cell {number} (seed {pair.base['fields']['seed']})"
        if any(cell["status"] != pair.base["status"] for cell in pair.new):
            differences.append(f"{place}: was {pair.base['status']}, is not")
        index, back = Index(here), Index(old)
        for leaf in old:
            matches = index.find(leaf)
            count["all"] += 1
            if matches is None:
                differences.append(f"{place}: {missing(leaf, index)}")
                continue
            count[matches[0].how] += 1
            count["informative"] += informative(leaf)
            for match in matches:
                if match.how in ("value", "element"):
                    names.setdefault(match.leaf.name, []).append(match.names)
        fresh |= {leaf.name for leaf in here if back.find(leaf) is None}
    wandering = [name for name, each in names.items() if not frozenset.intersection(*each)]
    remarks = [f"found under different names in different cells: {name}" for name in wandering]
    if fresh:
        remarks.append(f"new: {', '.join(sorted(fresh))}"[:1000])
    claims, claim_differences = compare_claims(base["claims"], new["claims"])
    summary = (
        f"{len(pairs)} cells {how}, {len(new['cells'])} here; {count['all']} values: "
        f"{count['name']} by name, {count['value']} by value, {count['element']} by element, "
        f"{count['left out']} NaN left out; {count['informative']} informative; "
        f"{len(differences)} differ; {len(fresh)} names new; {claims}"
    )
    return Report(summary, differences, claim_differences, remarks)


def missing(leaf: Leaf, index: Index) -> str:
    """What is said of a value that is not there."""
    others = [shown(other) for other in index.named(leaf.name)]
    here = f"here {' or '.join(others)}" if others else "nowhere here"
    return f"{leaf.name} = {shown(leaf)}, {here}"


def compare_claims(base: dict, new: dict) -> tuple[str, list[str]]:
    """The laptop claims of BASE beside those of this tree, of whichever of its two presets."""
    differences, valueless, equal = [], 0, 0
    known = {name for claims in new.values() for name in claims}
    for name, claim in base["laptop"].items():
        here = [claims[name] for claims in new.values() if name in claims]
        if name.endswith(TIMED_CLAIMS):
            claim = {**claim, "values": [], "error": "wall times"}
        found = list(claim_differences(claim, here)) if here else ["is at BASE alone"]
        differences += [f"claim {name!r}: {text}" for text in found]
        equal += not found
        valueless += not claim.get("values")
    differences += [
        f"claim {name!r} is here alone"
        for name in sorted(known - set(base["laptop"]))
        if name not in base["smoke"]
    ]
    counts = f"{len(base['laptop'])} claims: {equal} equal, {valueless} of no value at BASE"
    return counts, differences


def claim_differences(claim: dict, here: Sequence[dict]) -> Iterator[str]:
    """In what a claim of BASE differs from all of ``here``."""
    for field in ("source", "predicted"):
        others = [other[field] for other in here]
        if claim[field] not in others:
            yield f"{field} {said(claim[field])}, here {said(others[0])}"
    if "error" in claim:
        return
    if not any(same_values(claim["values"], other.get("values", [])) for other in here):
        texts = [other.get("error") or said(other["values"]) for other in here]
        yield f"values {said(claim['values'])}, here {' or '.join(texts)}"


def same_values(one: Sequence, two: Sequence) -> bool:
    """Whether values by seed are equal; by order where a seed is unknown."""
    pairs, others = [tuple(pair) for pair in one], [tuple(pair) for pair in two]
    if any(seed == "?" for seed, _ in (*pairs, *others)):
        return [value for _, value in pairs] == [value for _, value in others]
    return sorted(pairs) == sorted(others)


def said(value: Any) -> str:
    """Hexadecimal floats as numbers people read, with their bits."""
    if isinstance(value, str):
        return repr(value)
    flat = [item if isinstance(item, str) else item[1] for item in value]
    return ", ".join(f"{float.fromhex(item)!r} ({item})" for item in flat) or "none"


# Running both trees.


@contextmanager
def worktree(revision: str) -> Iterator[Path]:
    """A temporary checkout of ``revision``."""
    with tempfile.TemporaryDirectory(prefix="same_rows_") as folder:
        place = Path(folder) / "base"
        git("worktree", "add", "--quiet", "--detach", str(place), revision)
        try:
            yield place
        finally:
            git("worktree", "remove", "--force", str(place))


def git(*args: str) -> str:
    """What git prints, in this tree."""
    command = ["git", "-C", str(ROOT), *args]
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout.strip()


def inside(tree: Path, *args: str) -> None:
    """Run Python in ``tree`` on one thread; raises a RuntimeError with what it said last."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONWARNINGS": "ignore"}
    environment |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    command = ["nice", sys.executable, *args]
    done = subprocess.run(command, cwd=tree, env=environment, text=True, capture_output=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(args)}\n{done.stderr[-2000:]}")


def produce(tree: Path, name: str, out: Path, *, keep: bool) -> tuple[dict, float]:
    """The dump of ``name`` in ``tree``, and the seconds it took; ``keep``: an old one will do."""
    target, begin = out / f"{name}.dump.json", time.perf_counter()
    if not (keep and target.exists()):
        out.mkdir(parents=True, exist_ok=True)
        script = f"theory_experiments/{name}.py"
        inside(tree, script, "--preset", "smoke", "--out", str(out), "--no-figure")
        # -P: the folder of this file holds packages of tests, which must not be imported.
        own = ("-P", str(Path(__file__).resolve()), "--dump", str(tree), name, str(out))
        inside(tree, *own, str(target))
    return json.loads(target.read_text()), time.perf_counter() - begin


def compared(name: str, dumps: Sequence[Callable[[], tuple[dict, float]]], lenient: bool) -> bool:
    """Print what is found of ``name``; whether all is equal."""
    try:
        (base, first), (new, second) = (each() for each in dumps)
    except RuntimeError as error:
        print(f"{name}: CANNOT BE COMPARED: {error}", flush=True)
        return False
    report = compare(base, new)
    wrong = report.differences + ([] if lenient else report.claim_differences)
    verdict = "DIFFERENT" if wrong else "equal"
    print(f"{name}: {verdict}; {report.summary}; {first:.0f} s and {second:.0f} s")
    lines = report.differences[:SHOWN], report.claim_differences[:SHOWN], report.remarks
    for line in (line for each in lines for line in each):
        print(f"    {line}", flush=True)
    if (left := len(report.differences) - SHOWN) > 0:
        print(f"    and {left} more differences of rows")
    return not wrong


def scripts(listed: str) -> set[str]:
    """Names of experiments among the lines of a listing."""
    paths = map(Path, listed.splitlines())
    return {path.stem for path in paths if path.suffix == ".py" and path.name[0] != "_"}


def main(arguments: Sequence[str]) -> int:
    """Compare as the command line says; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("base", help="git revision")
    parser.add_argument("names", nargs="*", help="experiments; default: all")
    parser.add_argument("--out", type=Path, help="keep results here, and reuse those of before")
    parser.add_argument("--claims-may-differ", action="store_true", help="only say how they differ")
    settings = parser.parse_args(arguments)
    commit = git("rev-parse", "--verify", f"{settings.base}^{{commit}}")
    there = scripts(git("ls-tree", "--name-only", commit, "theory_experiments/"))
    here = scripts("\n".join(map(str, (ROOT / "theory_experiments").glob("*.py"))))
    for name in sorted(there ^ here):
        print(f"{name}: only {'at BASE' if name in there else 'here'}")
    wanted = settings.names or sorted(there & here)
    if unknown := set(wanted) - (there & here):
        parser.error(f"no such experiment in both trees: {', '.join(sorted(unknown))}")
    with (
        tempfile.TemporaryDirectory(prefix="same_rows_") as folder,
        worktree(commit) as base,
        ThreadPoolExecutor(1) as one,
        ThreadPoolExecutor(1) as two,
    ):
        out = (settings.out or Path(folder)).resolve()
        then = [one.submit(produce, base, name, out / commit, keep=True) for name in wanted]
        now = [two.submit(produce, ROOT, name, out / "here", keep=False) for name in wanted]
        each = zip(wanted, then, now, strict=True)
        lenient = settings.claims_may_differ
        equal = [compared(name, (a.result, b.result), lenient) for name, a, b in each]
    return 0 if all(equal) and (settings.names or there == here) else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--dump"]:
        dump(Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4]), Path(sys.argv[5]))
    else:
        sys.exit(main(sys.argv[1:]))
