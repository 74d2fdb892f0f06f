"""Cards: the claims of runs with everything that is said of each, and their list as CSV."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from multiview.runs.claims import Judgement
from multiview.runs.counts import benjamini_hochberg
from multiview.runs.store import Run
from multiview.runs.strips import Strip, strip_of
from multiview.runs.verdicts import measured, predicted, remarks

REFUTED_FIRST = ("refuted", "undecided", "supported")
WAYS = {  # how an interval was made
    "t": "Student's t-interval",
    "views": "binomial interval whose unit is the view",
    "none": "no interval: nothing shows the spread",
}
COLUMNS = (
    *("anchor", "experiment", "preset", "claim", "statement", "source", "kind", "primary"),
    *("predicted_low", "predicted_high", "estimate", "low", "high", "method", "holds_in"),
    *("n", "missing", "verdict", "survives_correction", "further_seeds"),
    *("decided", "edited", "note", "formula", "command", "code_version"),
)


@dataclass(frozen=True, kw_only=True)
class Card:
    """A claim of a run, its verdict, and where its numbers come from.

    Attributes:
        anchor: By which the claim can be cited: the run's label, a dot and the claim's name.
        survives: Whether it is still decided when all claims of its run are corrected for their
            number.
    """

    anchor: str
    run: Run
    judgement: Judgement
    survives: bool

    @property
    def predicted(self) -> str:
        """The predicted range in words."""
        return predicted(*self.judgement.claim.predicted)

    @property
    def measured(self) -> str:
        """The measured value with its interval, without how that was made."""
        return re.sub(r" \((t|views)\)$", "", measured(self.judgement))

    @property
    def way(self) -> str:
        """How the interval was made."""
        interval = self.judgement.interval
        return WAYS[interval.method] if interval else ""

    @property
    def remarks(self) -> list[str]:
        """What a reader must know to trust the verdict."""
        return remarks(self.judgement, self.survives)

    @property
    def decided(self) -> str:
        """When the claim was written, and whether it was changed since."""
        claim, edited = self.judgement.claim, self.judgement.edited
        text = f"{claim.decided} rows of these seeds were seen"
        if "added" in edited:
            text += "; not registered before rows were stored"
        fields = [name for name in edited if name != "added"]
        return f"{text}; edited since: {', '.join(fields)}" if fields else text

    @property
    def seeds_needed(self) -> int | None:
        """How many repetitions would decide it, if mean and spread stayed; None if that many do."""
        more = self.judgement.further_seeds
        return None if more is None else self.judgement.repetitions + more

    @property
    def strip(self) -> Strip:
        """What is drawn of the claim."""
        return strip_of(self.judgement)


def cards(run: Run, judged: Sequence[Judgement]) -> list[Card]:
    """A card for each claim of a run, in the order of ``judged``.

    Anchors depend on names alone, so that they last as long as these; where two names differ in
    signs only, the later one's gets a number.
    """
    found, used = [], set[str]()
    for each, survives in zip(judged, benjamini_hochberg(judged), strict=True):
        words = re.sub(r"[^a-z0-9]+", "-", each.claim.name.lower()).strip("-") or "claim"
        anchor, number = f"{run.label}.{words}", 1
        while anchor in used:
            number += 1
            anchor = f"{run.label}.{words}-{number}"
        used.add(anchor)
        found.append(Card(anchor=anchor, run=run, judgement=each, survives=survives))
    return found


def refuted_first(cards: Iterable[Card]) -> list[Card]:
    """Refuted ones first; of one verdict the primary claims first and the checks last."""

    def rank(card: Card) -> tuple[int, bool, bool]:
        claim = card.judgement.claim
        order = REFUTED_FIRST.index(card.judgement.verdict)
        return order, claim.kind == "check", not claim.primary

    return sorted(cards, key=rank)


def as_csv(cards: Iterable[Card]) -> str:
    """The claims as a table, a line each; what is not known is empty, open ends are infinite."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for card in cards:
        run, judged = card.run, card.judgement
        claim, interval = judged.claim, judged.interval
        values = interval[:3] if interval else (None, None, None)
        writer.writerow(
            [
                *(card.anchor, run.experiment, run.preset, claim.name, claim.statement),
                *(claim.source, claim.kind, claim.primary, *claim.predicted, *values),
                *(interval.method if interval else None, judged.holds),
                *(judged.repetitions, judged.missing, judged.verdict),
                card.survives if claim.kind == "claim" else None,
                *(judged.further_seeds, claim.decided, " ".join(judged.edited), judged.note),
                *(claim.estimate.text, run.command, run.code_version),
            ]
        )
    return text.getvalue()
