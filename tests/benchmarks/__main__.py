"""All ratios in one table, with an aim where one was set.

    python tests/benchmarks [NAME ...]

runs the benchmarks that hold something against a rival, a floor or a limit (or those named), one
after the other, and says on standard error where it is. It takes about a quarter of an hour on two
cores, which nothing else should use; what each figure means stands in the file of that name. Freed
memory is kept, as experiments keep it, by us and by rivals alike.
"""

import argparse
import importlib
import sys
import time
from collections.abc import Sequence

from ratio import Ratio, table
from rich.console import Console

from multiview.runs.memory import keep_freed_memory

NAMES = (
    "patch_gradient",
    "many_classes",
    "ntk_gram",
    "member_training",
    "generator",
    "engines",
    "starts",
)


def measured(name: str) -> list[Ratio]:
    """The ratios of one benchmark."""
    begin = time.perf_counter()
    found = list(importlib.import_module(name).ratios())
    print(f"{name}: {time.perf_counter() - begin:.0f} s", file=sys.stderr, flush=True)
    return found


def main(words: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    names = parser.parse_args(words).names or NAMES
    if unknown := sorted(set(names) - set(NAMES)):
        parser.error(f"no benchmark with ratios is called {', '.join(unknown)}")
    keep_freed_memory()
    found, broken = [], False
    for name in names:
        try:
            found += measured(name)
        except Exception as error:  # the others are shown all the same
            print(f"{name} failed: {error!r}", file=sys.stderr, flush=True)
            broken = True
    Console(width=170).print(table(found))
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
