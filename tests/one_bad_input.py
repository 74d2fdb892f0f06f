"""BadInput: a call with one bad input, and the whole of what it must say."""

import contextlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toy_experiment import EXPERIMENT

from multiview.runs.cli import command
from multiview.runs.script import run_script

Call = Callable[[Path], Any]


@dataclass(frozen=True)
class BadInput:
    """One line of the table.

    Attributes:
        call: In an empty folder, which it is given and which is the current one.
        message: All that is said, with ``{here}`` for that folder; or a function that makes it of
            the folder once it is prepared.
        code: Exit code of a command; None of a call that raises.
        error: Type of what it raises.
        prepare: Puts into the folder what the call finds there.
    """

    name: str
    call: Call
    message: str | Callable[[Path], str]
    code: int | None = None
    error: type[Exception] = ValueError
    prepare: Callable[[Path], Any] = lambda here: None


@dataclass(frozen=True)
class Printed:
    """What a command left: its exit code and all it printed."""

    code: Any
    text: str


def printed(program: Callable[[], int]) -> Printed:
    """Run a command in this process."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
        try:
            code: Any = program()
        except SystemExit as stop:
            code = stop.code
    return Printed(code, unframed(text.getvalue()))


def unframed(text: str) -> str:
    """What is printed as one line, without the frames that errors of tyro have."""
    lines = (line.strip("│ ") for line in text.splitlines())
    return " ".join(" ".join(line for line in lines if line.strip("─╭╮╰╯├┤-")).split())


def usage(
    name: str,
    arguments: str | Sequence[str],
    message: str,
    code: int = 2,
    program: Callable[[Sequence[str]], int] = command,
    **more: Any,
) -> BadInput:
    """A line about the command line."""
    words = arguments.split() if isinstance(arguments, str) else arguments
    return BadInput(name, lambda here: printed(lambda: program(words)), message, code, **more)


def toy(arguments: Sequence[str]) -> int:
    """The toy experiment as a script."""
    return run_script(EXPERIMENT, arguments)
