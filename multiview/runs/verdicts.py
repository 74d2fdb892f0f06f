"""What a run says of the experiment's claims: judged, compared with their registration, printed."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from multiview.runs.claims import Claim, Judgement, judge
from multiview.runs.counts import benjamini_hochberg, summary_of
from multiview.runs.experiment import Experiment
from multiview.runs.grid import Grid
from multiview.runs.registration import edited
from multiview.runs.store import Run

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = ("claim", "source", "predicted", "measured [95%]", "n", "verdict")


class Judgements(list[Judgement]):
    """Judged claims, which a notebook shows as a table."""

    def _repr_html_(self) -> str:
        return claims_grid(self)._repr_html_()


def judgements(experiment: Experiment, run: Run, table: "DataFrame") -> Judgements:
    """The experiment's claims about this preset and these options, judged by the run's rows.

    Args:
        table: The run's lines, failed ones among them.
    """
    if table.empty:
        return Judgements()
    claims = stated(experiment, run)
    known = {claim["name"]: claim for claim in run.claims}
    lines = complete(experiment, table)
    return Judgements(
        replace(_judged(claim, lines), edited=tuple(edited(claim, known.get(claim.name))))
        for claim in claims
    )


def stated(experiment: Experiment, run: Run) -> list[Claim]:
    """The experiment's claims about the run; none if its preset or options are no more."""
    try:
        options = experiment.options(**run.options)
    except (TypeError, ValueError):  # the script has other options now, as the notes will say
        return []
    return experiment.claims_about(run.preset, options) if run.preset in experiment.presets else []


def dropped(experiment: Experiment, run: Run) -> list[str]:
    """Names of the claims that were registered with the run and are stated no more."""
    names = {claim.name for claim in stated(experiment, run)}
    return [claim["name"] for claim in run.claims if claim["name"] not in names]


def complete(experiment: Experiment, table: "DataFrame") -> "DataFrame":
    """The derived lines of the cells that succeeded, and a line for each that failed."""
    import pandas

    failed: Any = table[table["status"] != "ok"]
    derived = experiment.derive(table)
    return pandas.concat([derived, failed]) if len(failed) else derived


def _judged(claim: Claim, table: "DataFrame") -> Judgement:
    """``judge``, but for a claim that is itself wrong: it must not hide what others say."""
    try:
        return judge(claim, table)
    except ValueError as error:
        return Judgement(claim=claim, repetitions=0, missing=0, note=f"not judged: {error}")


def claims_grid(judged: Sequence[Judgement]) -> Grid:
    """The claims and their verdicts, checks apart; below, how many there are of each verdict."""
    survivors = benjamini_hochberg(judged)
    rows = [
        ("checks" if each.claim.kind == "check" else "claims", cells(each, survives))
        for each, survives in zip(judged, survivors, strict=True)
    ]
    rows.sort(key=lambda row: row[0] == "checks")
    return Grid("Claims", str(summary_of(judged)), COLUMNS, rows)


def cells(judgement: Judgement, survives: bool) -> tuple[str, ...]:
    """A claim and its verdict as the texts of ``COLUMNS``.

    Args:
        survives: Whether it is still decided when all claims are corrected for their number.
    """
    claim, n = judgement.claim, str(judgement.repetitions)
    if judgement.missing:
        n += f" ({judgement.missing} missing)"
    name = f"{claim.name}{' (primary)' if claim.primary else ''}: {claim.statement}"
    return (
        name,
        claim.source,
        predicted(*claim.predicted),
        measured(judgement),
        n,
        _verdict(judgement, survives),
    )


def measured(judgement: Judgement) -> str:
    """The mean, its interval and how that was made; or why there is none."""
    interval = judgement.interval
    if interval is None:
        return judgement.note or "no value"
    if not math.isfinite(interval.low):
        return f"{interval.mean:.3g} [?]"
    return f"{interval.mean:.3g} [{interval.low:.3g}, {interval.high:.3g}] ({interval.method})"


def _verdict(judgement: Judgement, survives: bool) -> str:
    """The verdict and what a reader must know to trust it."""
    found = remarks(judgement, survives)
    return judgement.verdict + (f" ({'; '.join(found)})" if found else "")


def remarks(judgement: Judgement, survives: bool) -> list[str]:
    """What a reader must know to trust a verdict.

    Args:
        survives: As in ``cells``.
    """
    claim, found = judgement.claim, []
    if "added" in judgement.edited:
        found.append("not registered before rows were stored")
    if fields := [name for name in judgement.edited if name != "added"]:
        found.append(f"edited since it was registered: {', '.join(fields)}")
    if claim.decided == "after":
        found.append("decided after rows of these seeds were seen")
    if judgement.verdict != "undecided" and claim.kind == "claim" and not survives:
        found.append("not if corrected for the number of claims")
    if judgement.further_seeds is not None:
        found.append(f"more seeds needed: {judgement.further_seeds}")
    elif judgement.verdict == "undecided" and judgement.interval is not None:
        found.append(judgement.note or "on the edge of the prediction")
    return found


def predicted(low: float, high: float) -> str:
    """A predicted interval in words."""
    if low == high:
        return f"{low:.3g}"
    if math.isinf(high):
        return f"at least {low:.3g}" if math.isfinite(low) else "any"
    return f"{low:.3g} to {high:.3g}" if math.isfinite(low) else f"at most {high:.3g}"
