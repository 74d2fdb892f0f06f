"""Ctrl-C and SIGTERM: a program stops once and in order, and so do the processes it started."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

STOPS = {signal.SIGINT: "Interrupted.", signal.SIGTERM: "Terminated."}


class Stopped(KeyboardInterrupt):
    """A signal that asks the program to stop."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = signal.Signals(number)

    def __str__(self) -> str:
        return STOPS[self.number]


@contextmanager
def stopped_once() -> Iterator[None]:
    """Within, the first Ctrl-C or SIGTERM raises ``Stopped`` and later ones do nothing.

    What is being ended is thus ended in order, however impatient somebody is. A signal that is
    ignored from the start, as a shell has it for what runs in its background, stays ignored.
    """
    stopped = False

    def stop(number: int, frame: Any) -> None:
        nonlocal stopped
        if not stopped:
            stopped = True
            raise Stopped(number)

    with _handled_by(stop):
        yield


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Within, Ctrl-C and SIGTERM wait, and processes that are started never see a Ctrl-C.

    Half a started process would print a traceback, and a terminal sends Ctrl-C to all processes,
    before they can say that they leave it to the first.
    """
    waiting: list[int] = []
    try:
        with _handled_by(lambda number, frame: waiting.append(number)):
            # A process inherits what is blocked, but not Python's handlers.
            blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if _MASKS else None
            try:
                yield
            finally:
                if blocked is not None:
                    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    finally:
        for number in waiting[:1]:
            signal.raise_signal(number)


def leave(program: Callable[[], int]) -> NoReturn:
    """Exit with the code that ``program`` returns; 1 if nobody reads what it prints any more."""
    try:
        code = program()
        sys.stdout.flush()
    except BrokenPipeError:  # e.g. `| head`; Python would complain once more at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is done, and Python's own end takes a while
    sys.exit(code)


_MASKS = hasattr(signal, "pthread_sigmask")


@contextmanager
def _handled_by(handler: Any) -> Iterator[None]:
    """Within, ``handler`` gets the signals that are not ignored; in the main thread only."""
    before: dict[int, Any] = {}
    try:
        if threading.current_thread() is threading.main_thread():
            for number in STOPS:
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    before[number] = signal.signal(number, handler)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
