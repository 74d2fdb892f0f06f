"""Finding and Conformance: what a check measured, and what all of them found together."""

import textwrap
from dataclasses import dataclass

WIDTH = 96  # of the printed explanations, in characters


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one check measured, and what a failure of it stands for.

    A check passes if it measured what is expected up to the tolerance, so that NaN, which stands
    where nothing could be measured, fails.
    """

    check: str  # its name, one of ``LOSS_CHECKS`` or ``STEP_CHECKS``
    quantity: str  # what is measured
    measured: float
    expected: float
    tolerance: float
    note: str = ""  # what else was seen, such as the error that the function raised
    bug: str  # which mistake a failure usually stands for
    remedy: str  # how to mend it
    reports: tuple[str, ...] = ()  # public reports of such bugs, as "owner/repository#number"

    @property
    def passed(self) -> bool:
        """Whether the measured value is the expected one, up to the tolerance."""
        return abs(self.measured - self.expected) <= self.tolerance

    def __str__(self) -> str:
        verdict = "passed" if self.passed else "FAILED"
        lines = [f"{self.check} {verdict}: {self.measured:.3g}, expected {self.expected:.3g}."]
        lines += [f"  Measured: {self.quantity}."]
        lines += [f"  Note: {self.note}."] if self.note else []
        if not self.passed:
            lines += [f"  Usual cause: {self.bug}", f"  Remedy: {self.remedy}"]
            lines += [f"  Reported in: {', '.join(self.reports)}."] if self.reports else []
        return "\n".join(
            textwrap.fill(line, WIDTH, subsequent_indent="    ", break_on_hyphens=False)
            for line in lines
        )


@dataclass(frozen=True, kw_only=True)
class Conformance:
    """What all checks found of one function; printed, it is a table and what explains failures.

    Attributes:
        subject: Name of the function that was checked.
        findings: One a check, in the order of the list of all checks.
    """

    subject: str
    findings: tuple[Finding, ...]

    @property
    def failures(self) -> tuple[Finding, ...]:
        """The findings of the checks that failed."""
        return tuple(finding for finding in self.findings if not finding.passed)

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return not self.failures

    def __getitem__(self, check: str) -> Finding:
        """The finding of the check of this name.

        Raises:
            KeyError: If that check was not run.
        """
        for finding in self.findings:
            if finding.check == check:
                return finding
        raise KeyError(f"{check!r}: run were {', '.join(each.check for each in self.findings)}.")

    def raise_for_failures(self) -> None:
        """Fail as an assertion does, all failures explained in its message.

        Raises:
            AssertionError: If a check failed.
        """
        if self.failures:
            raise AssertionError(str(self))

    def __str__(self) -> str:
        width = max(len(finding.check) for finding in self.findings)
        header = f"{'check':{width}}  verdict  measured  expected"
        rows = [
            f"{each.check:{width}}  {'passed' if each.passed else 'FAILED':7}"
            f"  {each.measured:8.3g}  {each.expected:8.3g}"
            for each in self.findings
        ]
        summary = f"{self.subject}: {len(self.failures)} of {len(self.findings)} checks failed."
        table = "\n".join([summary, "", header, *rows])
        return "\n\n".join([table, *map(str, self.failures)])
