"""Commands that are answered at once, without importing what computes: list and --version."""

import json
import shutil
import sys
import textwrap
from collections.abc import Sequence

import multiview
from multiview.runs.find import names
from multiview.runs.titles import listed

GAP = "  "
WIDTH = 120  # where nobody says how wide the terminal is
LEAST = 30  # columns of a claim, however narrow the terminal


def quick(arguments: Sequence[str]) -> int | None:
    """Do what the arguments say and return the exit code; None if they say something else."""
    match arguments:
        case ["--version"]:
            print(f"multiview {multiview.__version__}")
        case ["list"]:
            list_experiments()
        case ["list", "--json"]:
            list_experiments(json=True)
        case _:
            return None
    return 0


def list_experiments(*, json: bool = False) -> int:
    """Name, claim and presets of every experiment.

    Args:
        json: Print them as one JSON document.
    """
    found = [(name, *listed(name)) for name in names()]
    print(_document(found) if json else _table(found))
    return 0


def _document(found: list[tuple[str, str, tuple[str, ...]]]) -> str:
    whole = [{"name": name, "title": title, "presets": presets} for name, title, presets in found]
    return json.dumps({"experiments": whole}, ensure_ascii=False)


def _table(found: list[tuple[str, str, tuple[str, ...]]]) -> str:
    lines = [("name", "claim", "presets")]
    lines += [(name, title, ", ".join(presets)) for name, title, presets in found]
    first, last = (max(len(line[i]) for line in lines) for i in (0, 2))
    whole = shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDTH
    room = max(LEAST, whole - first - last - 2 * len(GAP))
    width = min(room, max(len(line[1]) for line in lines))
    printed = []
    for name, title, presets in lines:
        parts = textwrap.wrap(title, width) or [""]
        printed.append(GAP.join([f"{name:{first}}", f"{parts[0]:{width}}", presets]).rstrip())
        printed += [" " * (first + len(GAP)) + part for part in parts[1:]]
    return "\n".join(printed)
