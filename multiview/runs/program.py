"""The program ``multiview``: what can be said at once is said before anything large is imported."""

import sys
from typing import NoReturn

from multiview.runs.quick import quick
from multiview.runs.signals import leave


def main() -> NoReturn:
    """Do what the command line says and exit; codes are those of ``multiview.runs.cli``."""
    leave(_answer)


def _answer() -> int:
    code = quick(sys.argv[1:])
    if code is None:
        from multiview.runs.cli import command

        code = command(sys.argv[1:])
    return code
