"""How many claims got which verdict, and which verdicts stand when there are many claims."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from multiview.runs.claims import Judgement, Verdict

VERDICTS: tuple[Verdict, ...] = ("supported", "refuted", "undecided")


def benjamini_hochberg(judgements: Sequence[Judgement], level: float = 0.05) -> list[bool]:
    """Which decided verdicts survive if a share ``level`` of them may be false (in expectation).

    In the order of ``judgements``. The family is every claim that has a p-value: checks are not
    judged by one, and a claim without values was not tested.
    """
    family = sorted(p for j in judgements if (p := family_p(j)) is not None)
    passing = [p for rank, p in enumerate(family, 1) if p <= level * rank / len(family)]
    threshold = max(passing, default=-1.0)
    return [
        (p := family_p(j)) is not None and p <= threshold and j.verdict != "undecided"
        for j in judgements
    ]


def family_p(judgement: Judgement) -> float | None:
    """The p-value by which a claim enters a correction for many claims; None of a check."""
    return judgement.p_value if judgement.claim.kind == "claim" else None


@dataclass(frozen=True)
class Summary:
    """How many claims and checks got which verdict.

    The sum of two counts what each counts: the correction for many claims is one of each run, not
    of all runs together, so that a verdict is the same on every page.
    """

    claims: dict[Verdict, int]
    checks: dict[Verdict, int]
    surviving: int  # decided claims that survive the correction for their number
    primary: dict[Verdict, int]  # of the claims, the primary ones

    def __add__(self, other: "Summary") -> "Summary":
        return Summary(
            claims=added(self.claims, other.claims),
            checks=added(self.checks, other.checks),
            surviving=self.surviving + other.surviving,
            primary=added(self.primary, other.primary),
        )

    def __str__(self) -> str:
        total, checks = sum(self.claims.values()), sum(self.checks.values())
        lines = [
            f"{total} claims: {in_words(self.claims)}; {self.surviving} of the decided ones stay "
            "so if corrected for their number (Benjamini-Hochberg, 5%)."
        ]
        if sum(self.primary.values()):
            lines.append(f"Primary claims: {in_words(self.primary)}.")
        if checks:
            lines.append(f"{checks} checks: {in_words(self.checks)}.")
        return " ".join(lines)


def added(one: Mapping[Verdict, int], other: Mapping[Verdict, int]) -> dict[Verdict, int]:
    """The sums of two counts of verdicts."""
    return {verdict: one[verdict] + other[verdict] for verdict in VERDICTS}


def summary_of(judgements: Sequence[Judgement]) -> Summary:
    """Counts of verdicts, of claims and of checks apart, of one run."""
    claims = [each for each in judgements if each.claim.kind == "claim"]
    return Summary(
        claims=counts(claims),
        checks=counts([each for each in judgements if each.claim.kind == "check"]),
        surviving=sum(benjamini_hochberg(claims)),
        primary=counts([each for each in claims if each.claim.primary]),
    )


def in_words(verdicts: Mapping[Verdict, int]) -> str:
    """``3 supported, 1 refuted, 0 undecided``."""
    return ", ".join(f"{number} {verdict}" for verdict, number in verdicts.items())


def counts(judgements: Sequence[Judgement]) -> dict[Verdict, int]:
    """How often each verdict occurs, none left out."""
    return {verdict: sum(each.verdict == verdict for each in judgements) for verdict in VERDICTS}
