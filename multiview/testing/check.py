"""Check: one law that can fail, with the bug that its failure stands for; and how checks run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

from multiview import checks
from multiview.testing.finding import Conformance, Finding

# measure(probe): what is measured, and perhaps a note on what else was seen.
Measure = Callable[[Any], float | tuple[float, str]]


@dataclass(frozen=True, kw_only=True)
class Check:
    """A law of what is checked; the fields are those of ``Finding``."""

    name: str
    quantity: str
    measure: Measure
    expected: float
    tolerance: float
    bug: str
    remedy: str
    reports: tuple[str, ...] = ()

    def finding(self, probe: Any) -> Finding:
        """What is found of ``probe``; an error that it raises is a failure, and no end."""
        try:
            found = self.measure(probe)
        except Exception as error:
            cause = error.__cause__ or error  # the function's own, where the probe explains it
            found = nan, f"raised {type(cause).__name__}: {cause}"
        measured, note = found if isinstance(found, tuple) else (found, "")
        return Finding(
            check=self.name,
            quantity=self.quantity,
            measured=float(measured),
            expected=self.expected,
            tolerance=self.tolerance,
            note=note,
            bug=self.bug,
            remedy=self.remedy,
            reports=self.reports,
        )


def selected(every: Sequence[Check], only: Any, skip: Any) -> list[Check]:
    """The checks named by ``only``, all where it is None, without those named by ``skip``.

    Raises:
        ValueError: If a name is that of no check, or none is left.
    """
    names = [check.name for check in every]
    kept = names if only is None else _names("only", only, names)
    left = set(kept) - set(_names("skip", skip, names))
    if not left:
        raise ValueError(
            f"only={checks.shown(only)} and skip={checks.shown(skip)} leave no check: name one to "
            "run."
        )
    return [check for check in every if check.name in left]


def conformance(subject: Any, picked: Sequence[Check], probe: Any) -> Conformance:
    """What the picked checks find, all of them whatever the first one finds."""
    name = getattr(subject, "__qualname__", type(subject).__qualname__)
    return Conformance(subject=name, findings=tuple(check.finding(probe) for check in picked))


def _names(argument: str, values: Any, names: Sequence[str]) -> list[str]:
    listed = checks.items(argument, values)
    for each in listed:
        if not isinstance(each, str) or each not in names:
            raise ValueError(
                f"{argument}={checks.shown(values)} names no check by {checks.shown(each)}: choose "
                f"among {', '.join(names)}."
            )
    return listed
