"""Verdicts of a run: claims judged by its rows and compared with what was registered."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from toy_experiment import EXPERIMENT, Cell, Options, claims
from toy_runs import shown, stored_toy

from multiview.runs.claims import Claim, judge
from multiview.runs.estimates import measured
from multiview.runs.experiment import Preset
from multiview.runs.registration import registered
from multiview.runs.verdicts import (
    claims_grid,
    complete,
    dropped,
    judgements,
    predicted,
    stated,
)

(FAIR,) = claims([])


def stating(*claims):
    """The toy experiment with these claims instead."""
    return replace(EXPERIMENT, claims=lambda cells: claims)


def toy_claim(low, high, measure="error", **other) -> Claim:
    estimate = measured(measure, "coin", flips=200)
    return replace(FAIR, predicted=(low, high), estimate=estimate, **other)


def judged(experiment, run):
    return judgements(experiment, run, run.table())


def verdict_of(judgement):
    """The verdict's text."""
    ((_, texts),) = claims_grid([judgement]).rows
    return texts[-1]


@pytest.mark.parametrize(
    ("claim", "words"),
    [
        (toy_claim(0.0, 1.0), ["supported", "0 to 1"]),
        (toy_claim(0.99, float("inf")), ["refuted", "at least 0.99"]),
        (toy_claim(float("-inf"), 0.01), ["refuted", "at most 0.01"]),
        (toy_claim(0.5, 0.5), ["undecided"]),
        (toy_claim(0.0, 1.0, measure="absent"), ["undecided", "KeyError", "missing"]),
    ],
)
def test_every_verdict_is_shown_with_its_numbers(tmp_path, claim, words):
    run = stored_toy(tmp_path, experiment=stating(claim), seeds=4)
    table = run.table()
    (judgement,) = judgements(stating(claim), run, table)
    text = " ".join(shown(claims_grid([judgement]).rich()).split())
    assert all(word in text for word in words)
    assert judgement.edited == ()
    if judgement.interval is not None:
        mean = table[(table["flips"] == 200) & (table["method"] == "coin")]["error"].mean()
        assert f"{mean:.3g} [" in text
        assert "(views)" in text
        assert judgement.repetitions == 4


def test_an_undecided_claim_says_how_many_seeds_it_needs(tmp_path):
    experiment = stating(toy_claim(0.0, 0.52))
    (judgement,) = judged(experiment, stored_toy(tmp_path, experiment=experiment, seeds=3))
    assert judgement.verdict == "undecided"
    assert f"more seeds needed: {judgement.further_seeds}" in verdict_of(judgement)


def test_claims_know_the_cells_of_preset_and_options(tmp_path):
    asked = []
    run = stored_toy(tmp_path, coin="forged")
    judged(replace(EXPERIMENT, claims=lambda cells: asked.extend(cells) or []), run)
    assert [(cell.flips, cell.coin.heads) for cell in asked] == [(100, 0.9), (200, 0.9)]


def test_a_run_whose_options_or_preset_are_no_more_is_not_judged(tmp_path):
    run = stored_toy(tmp_path)
    for old in (replace(run, options={"metal": "gold"}), replace(run, preset="huge")):
        assert stated(EXPERIMENT, old) == judged(EXPERIMENT, old) == []
        assert dropped(EXPERIMENT, old) == ["fair"]


def test_claims_that_cannot_be_made_are_an_error_and_not_no_claims(tmp_path):
    run = stored_toy(tmp_path)
    for error in (TypeError, ValueError, KeyError):

        def broken(cells, error=error):
            raise error("a bug")

        with pytest.raises(error, match="a bug"):
            judged(replace(EXPERIMENT, claims=broken), run)


def test_a_preset_without_claims_is_not_judged(tmp_path):
    preset = Preset(cells=[Cell(flips=200)], seeds=2, claimed=False)
    experiment = replace(EXPERIMENT, presets={"smoke": preset})
    assert judged(experiment, stored_toy(tmp_path, experiment=experiment)) == []


def test_a_claim_that_is_itself_wrong_hides_no_other(tmp_path):
    twice = replace(FAIR, name="twice", estimate=measured("error", "coin"))  # of 100 and of 200
    beyond = replace(
        FAIR, name="beyond", estimate=measured("error", "coin", flips=200) - 5, predicted=(0, 1)
    )
    experiment = stating(twice, beyond, FAIR)
    found = judged(experiment, stored_toy(tmp_path, experiment=experiment))
    assert [each.claim.name for each in found] == ["twice", "beyond", "fair"]
    assert [each.verdict for each in found][:2] == ["undecided"] * 2
    assert "fits two lines of one repetition" in found[0].note
    assert found[1].note.startswith("not judged: a difference lies in [-1, 1]")
    assert found[2].interval is not None


def test_derived_columns_are_judged_and_failed_cells_are_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("TOY_SEED_1", "diverge")
    run = stored_toy(tmp_path, seeds=3)
    table = run.table()
    lines = complete(EXPERIMENT, table)
    assert set(lines["seed"]) == {0, 1, 2}
    assert set(lines[lines["status"] == "failed"]["seed"]) == {1}
    assert lines[lines["method"] == "coin"]["error_of"].tolist() == [100, 200] * 2
    (judgement,) = judgements(EXPERIMENT, run, table)
    assert (judgement.repetitions, judgement.missing) == (2, 1)
    assert judgement.interval is not None
    assert judgement.interval.method == "views"
    ((_, texts),) = claims_grid([judgement]).rows
    assert "2 (1 missing)" in texts


def test_where_every_cell_failed_claims_are_undecided(tmp_path, monkeypatch):
    monkeypatch.setenv("TOY_SEED_0", "diverge")
    (judgement,) = judged(EXPERIMENT, stored_toy(tmp_path, seeds=1))
    assert (judgement.verdict, judgement.note) == ("undecided", "no cell succeeded")
    assert judged(EXPERIMENT, replace(stored_toy(tmp_path), keys=())) == []


# What was registered


EDITS = {
    "source": "Theorem 9",
    "statement": "other words",
    "predicted": (0.2, 0.8),
    "decided": "after",
    "primary": True,
}


@pytest.mark.parametrize("field", EDITS)
def test_an_edited_claim_is_shown_as_edited(tmp_path, field):
    run = stored_toy(tmp_path, experiment=stating(FAIR))
    edited = stating(replace(FAIR, **{field: EDITS[field]}))
    (judgement,) = judged(edited, run)
    assert judgement.edited == (field,)
    assert f"edited since it was registered: {field}" in verdict_of(judgement)
    # Also after the run was planned again.
    (judgement,) = judged(edited, stored_toy(tmp_path, experiment=edited))
    assert judgement.edited == (field,)


def test_another_estimate_or_kind_is_an_edit(tmp_path):
    run = stored_toy(tmp_path, experiment=stating(FAIR))
    other = replace(FAIR, estimate=FAIR.estimate - 0.0)
    (judgement,) = judged(stating(other), run)
    assert "edited since it was registered: digest" in verdict_of(judgement)
    (judgement,) = judged(stating(replace(FAIR, kind="check")), run)
    assert "edited since it was registered: kind" in verdict_of(judgement)
    (judgement,) = judged(stating(FAIR), run)
    assert judgement.edited == ()
    assert "edited" not in verdict_of(judgement)


def test_an_added_claim_is_shown_as_added(tmp_path):
    run = stored_toy(tmp_path, experiment=stating(FAIR))
    more = stating(FAIR, replace(FAIR, name="new"))
    first, added = judged(more, run)
    assert (first.edited, added.edited) == ((), ("added",))
    again = stored_toy(tmp_path, experiment=more)  # registers it
    first, added = judged(more, again)
    assert (first.edited, added.edited) == ((), ("added",))
    assert "not registered before rows were stored" in verdict_of(added)
    assert "edited" not in verdict_of(added)
    changed = stating(FAIR, replace(FAIR, name="new", source="Theorem 9"))
    (_, added) = judged(changed, again)
    assert added.edited == ("added", "source")
    for remark in ("not registered before", "edited since it was registered: source"):
        assert remark in verdict_of(added)


def test_a_claim_that_is_stated_no_more_is_named(tmp_path):
    run = stored_toy(tmp_path, experiment=stating(FAIR, replace(FAIR, name="gone")))
    assert dropped(stating(FAIR), run) == ["gone"]
    assert dropped(stating(FAIR, replace(FAIR, name="gone")), run) == []


# The table of claims


def judgement_of(values, low=0.0, high=0.5, **settings):
    """Of a claim about these values, one a seed."""
    table = pd.DataFrame({"seed": range(len(values)), "status": "ok", "value": values})
    settings = {"name": "c", "source": "s", "statement": "says", **settings}
    return judge(Claim(predicted=(low, high), estimate=measured("value"), **settings), table)


def test_checks_stand_apart_and_say_in_how_many_repetitions_they_hold():
    check = judgement_of([0.1, 0.2, 0.9], name="k", kind="check")
    claim = judgement_of([0.1, 0.2, 0.15], name="c")
    grid = claims_grid([check, claim, replace(check)])
    assert [group for group, _ in grid.rows] == ["claims", "checks", "checks"]
    (_, texts) = grid.rows[1]
    assert texts == ("k: says", "s", "0 to 0.5", "holds in 2 of 3", "3", "refuted")
    assert grid.caption.startswith("1 claims: 1 supported, 0 refuted, 0 undecided; ")
    assert grid.caption.endswith("2 checks: 0 supported, 2 refuted, 0 undecided.")


def test_a_check_without_values_is_undecided_and_says_no_more():
    ((_, texts),) = claims_grid([judgement_of([np.nan, np.nan], kind="check")]).rows
    assert texts[3:] == ("no value", "0 (2 missing)", "undecided")


def test_decided_verdicts_are_corrected_for_their_number():
    weak = judgement_of([0.2, 0.3, 0.36])  # p between 1% and 5%
    assert weak.verdict == "supported"
    assert weak.p_value is not None
    assert 0.01 < weak.p_value < 0.05
    edge = judgement_of([0.4, 0.5, 0.6], name="edge")
    alone = claims_grid([weak])
    assert alone.rows[0][1][-1] == "supported"
    many = claims_grid([weak, *[edge] * 9])
    assert many.rows[0][1][-1] == "supported (not if corrected for the number of claims)"
    assert "0 of the decided ones stay" in many.caption
    # A check widens no family, and is itself not corrected.
    beside = claims_grid([weak, *[judgement_of([0.1] * 3, kind="check")] * 9])
    assert [texts[-1] for _, texts in beside.rows] == ["supported"] * 10


def test_what_a_reader_must_know_stands_beside_the_verdict():
    after = judgement_of([0.1, 0.2, 0.15], decided="after", primary=True)
    ((_, texts),) = claims_grid([after]).rows
    assert texts[0] == "c (primary): says"
    assert texts[-1] == "supported (decided after rows of these seeds were seen)"
    equal = judgement_of([0.1] * 3)
    ((_, texts),) = claims_grid([equal]).rows
    assert texts[3] == "0.1 [?]"
    assert texts[-1] == "undecided (3 equal values: unknown spread)"
    ((_, texts),) = claims_grid([judgement_of([0.25, 0.5, 0.75])]).rows
    assert texts[-1] == "undecided (on the edge of the prediction)"
    ((_, texts),) = claims_grid([judgement_of([0.1])]).rows
    assert texts[-1] == "undecided (more seeds needed: 1)"


@pytest.mark.parametrize(
    ("ends", "text"),
    [
        ((0.0, 0.5), "0 to 0.5"),
        ((-float("inf"), 0.5), "at most 0.5"),
        ((0.5, float("inf")), "at least 0.5"),
        ((-float("inf"), float("inf")), "any"),
        ((0.25, 0.25), "0.25"),
    ],
)
def test_predictions_are_printed_in_words(ends, text):
    assert predicted(*ends) == text


def test_registered_claims_of_the_toy_are_those_it_states(tmp_path):
    run = stored_toy(tmp_path)
    assert run.claims == tuple(registered(claim) for claim in stated(EXPERIMENT, run))
    assert run.options == {"coin": Options().coin}


def test_a_notebook_shows_the_claims_as_their_table(tmp_path):
    found = judged(EXPERIMENT, stored_toy(tmp_path))
    assert found._repr_html_() == claims_grid(found)._repr_html_()
    assert "<td>Theorem 0</td>" in found._repr_html_()
