"""The report in one HTML file: all claims, refuted ones first, and nothing that is not inside."""

import base64
import csv
import io
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from toy_reports import CLAIMS, HOSTILE, REFUTED_FIRST, REPORTED, Page, reported, reported_of
from toy_runs import run_toy, stored_toy, toy_claim

from multiview.runs import html_report
from multiview.runs.cards import cards, refuted_first
from multiview.runs.html_report import reportable, write_report
from multiview.runs.runner import plan
from multiview.runs.verdicts import cells, judgements

STATEMENTS = {claim.name: claim.statement for claim in CLAIMS}
TO_BE_CLICKED = {"https://arxiv.org/abs/2012.09816"}
INSIDE = ("data:image/svg+xml;", "data:text/csv;")


@pytest.fixture
def page(tmp_path, monkeypatch):
    return Page(reported(monkeypatch, tmp_path))


def test_every_claim_is_in_refuted_ones_first(page):
    expected = [STATEMENTS[name] for name in REFUTED_FIRST]
    assert [each.text for each in page.all("h3")] == expected
    in_forest = [each.text for each in page.all("th", scope="row") if "toy_experiment" in each.text]
    assert [text.split(" toy_experiment")[0] for text in in_forest] == expected
    groups = [each.text for each in page.all("tr", class_="group")]
    assert groups[:3] == ["refuted, 3", "undecided, 2", "supported, 1"]
    verdicts = [each.attributes["data-verdict"] for each in page.all("article")]
    assert verdicts == ["refuted"] * 3 + ["undecided"] * 2 + ["supported"]


def test_a_card_says_all_that_tables_say_of_a_claim_and_where_it_comes_from(tmp_path, monkeypatch):
    run = stored_toy(tmp_path, experiment=REPORTED, seeds=4)
    judged = judgements(REPORTED, run, run.table())
    page = Page(reported(monkeypatch, tmp_path, [run]))
    for card, shown in zip(refuted_first(cards(run, judged)), page.all("article"), strict=True):
        _, source, predicted, measured, n, verdict = cells(card.judgement, card.survives)
        name, _, remarks = verdict.partition(" (")
        terms, texts = ([each.text for each in page.all(tag, shown)] for tag in ("dt", "dd"))
        facts = dict(zip(terms, texts, strict=True))
        assert shown.attributes["id"] == card.anchor
        assert facts["predicted"] == predicted
        assert facts["measured"].startswith(re.sub(r" \((t|views)\)$", "", measured))
        assert ("Student's" in facts["measured"]) == measured.endswith(" (t)")
        assert ("binomial" in facts["measured"]) == measured.endswith(" (views)")
        assert facts["n"] == n
        assert facts["source"] == source
        assert facts["decided"].startswith(f"{card.judgement.claim.decided} rows of these seeds")
        assert facts["command"] == run.command
        assert facts["code"] == run.code_version
        assert facts["cite as"] == f"#{card.anchor}"
        assert page.all("p", shown, class_="verdict")[0].text.startswith(name)
        if remarks:
            assert page.all("p", shown, class_="soft")[0].text == remarks.removesuffix(")")
        assert page.all("code", shown)[-1].text == card.judgement.claim.estimate.text


def test_text_stays_text(page, tmp_path):
    assert not page.all("script")
    assert not page.all("b", text="0")
    assert "{{ 7 * 7 }}" in page.all("h3")[0].text
    assert page.all("h3")[0].text == HOSTILE
    assert page.all("p", class_="lead")[1].text == "Heads or <tails>."
    assert "or" in [each.text for each in page.all("code")]
    (region,) = [e for e in page.all("div", class_="scroll") if "figure" not in str(e.attributes)]
    assert region.attributes["aria-label"] == "toy_experiment-smoke: Heads < tails"
    assert f"{HOSTILE} 3" in region.text
    assert [e.text for e in page.all("tr", class_="group")][3:] == ["<b>0", "<b>1"]


def test_nothing_outside_the_file_is_asked_for(page):
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    for target in page.values("href", "src", "xlink:href", "data", "action"):
        if target.startswith("#"):
            assert target[1:] in ids
        else:
            assert target in TO_BE_CLICKED or target.startswith(
                ("data:image/svg+xml;", "data:text")
            )
    (style,) = page.all("style")
    assert "url(" not in style.text
    assert "@import" not in style.text
    assert not {each.tag for each in page.elements} & {"link", "script", "iframe", "object", "base"}
    assert not [name for each in page.elements for name in each.attributes if name[:2] == "on"]


def test_anchors_are_made_of_run_and_claim(page):
    anchors = [each.attributes["id"] for each in page.all("article")]
    names = ("many-heads", "many-heads-2", "none", "no-fewer-heads", "absent", "every-share")
    assert anchors == [f"toy_experiment-smoke.{name}" for name in names]


def test_the_list_of_claims_holds_their_numbers(tmp_path, monkeypatch):
    run = stored_toy(tmp_path, experiment=REPORTED, seeds=4)
    page = Page(reported(monkeypatch, tmp_path, [run]))
    (link,) = page.all("a", download="claims.csv")
    data = base64.b64decode(link.attributes["href"].partition("base64,")[2]).decode()
    rows = list(csv.DictReader(io.StringIO(data)))
    judged = judgements(REPORTED, run, run.table())
    assert [row["claim"] for row in rows] == [claim.name for claim in CLAIMS]
    for row, each in zip(rows, judged, strict=True):
        assert row["statement"] == each.claim.statement
        assert row["verdict"] == each.verdict
        ends = float(row["predicted_low"]), float(row["predicted_high"])
        assert ends == each.claim.predicted
        interval = each.interval[:3] if each.interval else ("", "", "")
        assert [row["estimate"], row["low"], row["high"]] == [str(value) for value in interval]
        assert row["n"] == str(each.repetitions)
        assert row["further_seeds"] == str(each.further_seeds or "")
        assert row["holds_in"] == ("0" if each.claim.kind == "check" else "")
    assert {row["command"] for row in rows} == {run.command}


def test_equal_rows_give_equal_bytes(tmp_path, monkeypatch):
    run = stored_toy(tmp_path, experiment=REPORTED, seeds=4)
    first = reported(monkeypatch, tmp_path, [run]).read_bytes()
    assert reported(monkeypatch, tmp_path, [run]).read_bytes() == first
    assert len(first) < 150_000


def test_the_figure_is_an_svg_whose_texts_are_texts(page):
    (image,) = page.all("img")
    assert image.attributes["alt"] == "Shares of heads by seed. The tables below hold the numbers."
    svg = base64.b64decode(image.attributes["src"].partition("base64,")[2]).decode()
    texts = [each.text for each in ElementTree.fromstring(svg).iter() if each.tag[-5:] == "}text"]
    assert "error  of <coins>" in texts
    assert "white-space:pre" in svg
    assert "date" not in svg.lower()
    assert not re.search(r' [dxy]="[^"]*\.\d{3}', svg)


def test_how_many_seeds_are_needed_is_shown_as_a_share(tmp_path, monkeypatch):
    run = stored_toy(tmp_path, experiment=REPORTED, seeds=4)
    (open_one,) = [each for each in judgements(REPORTED, run, run.table()) if each.further_seeds]
    page = Page(reported(monkeypatch, tmp_path, [run]))
    needed = 4 + (open_one.further_seeds or 0)
    assert [e.text for e in page.all("span", class_="soft")] == [f"4 of {needed} seeds"]
    widths = {each.attributes["width"] for each in page.all("rect", class_="done")}
    assert widths == {f"{400 / needed:.4g}%"}


def test_what_must_be_known_first_and_what_fails_is_told_and_hides_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("TOY_SEED_1", "diverge")
    run = stored_toy(tmp_path)
    (run.directory / f"{run.keys[0]}.json").unlink()

    def fragile(table):
        raise KeyError("gone <1>")

    broken = replace(REPORTED, tables=fragile, figure="none")
    page = Page(reported(monkeypatch, tmp_path, [replace(run, figure="none")], broken))
    notes = [each.text for each in page.all("li")]
    assert "1 of 4 cells have no row yet: run multiview run toy_experiment --preset smoke." in notes
    assert "The tables cannot be made: KeyError: 'gone <1>'" in notes
    assert any("figure cannot be made: ModuleNotFoundError" in note for note in notes)
    assert any(note.startswith("2 of 4 cells failed") for note in notes)
    assert len(page.all("article")) == len(CLAIMS)
    assert not page.all("img")
    assert "added" not in page.all("article")[0].text
    assert "not registered before rows were stored" in page.all("article")[0].text


def test_runs_without_rows_or_claims_are_reported_all_the_same(tmp_path, monkeypatch):
    planned, _ = plan(REPORTED, "smoke", REPORTED.options(), out=tmp_path)
    silent = replace(REPORTED, claims=lambda cells: [], figure=None)
    for experiment in (REPORTED, silent):
        page = Page(reported(monkeypatch, tmp_path, [planned], experiment))
        assert "4 of 4 cells have no row yet" in page.all("ul", class_="notes")[0].text
        assert not page.all("article")
        assert not page.all("fieldset")
    stored = run_toy(tmp_path, experiment=silent)[0]
    page = Page(reported(monkeypatch, tmp_path, [stored], silent))
    assert page.all("details")
    assert not page.all("table", class_="forest")


def test_claims_of_several_runs_stand_in_one_list(tmp_path, monkeypatch):
    claimed = replace(REPORTED, claims=lambda cells: [toy_claim(0.3, 0.7, name="fair")])
    runs = [
        stored_toy(tmp_path / "results", experiment=claimed, seeds=4, coin=coin)
        for coin in ("fair", "forged")
    ]
    page = Page(reported(monkeypatch, tmp_path, runs, claimed))
    rows = [each.attributes["href"] for each in page.all("a") if ".fair" in str(each.attributes)]
    assert rows[0] == "#toy_experiment-smoke-coin_forged.fair"
    assert [each.attributes["id"] for each in page.all("section", class_="run")] == [
        "toy_experiment-smoke",
        "toy_experiment-smoke-coin_forged",
    ]
    (counts,) = page.all("table", class_="counts")
    assert counts.text == "2 claims and checks by verdict refuted undecided supported claims 1 0 1"


def test_a_report_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    run = stored_toy(tmp_path / "results", experiment=REPORTED, seeds=4)
    path = reported(monkeypatch, tmp_path, [run])
    before = path.read_bytes()

    def fail(run):
        raise RuntimeError

    monkeypatch.setattr(html_report, "section_of", fail)
    with pytest.raises(RuntimeError):
        write_report([run], path)
    assert path.read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["report.html", "results"]


def test_runs_of_scripts_that_are_gone_are_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(html_report, "names", lambda: ["toy_experiment"])
    run = stored_toy(tmp_path)
    gone = replace(run, experiment="gone")
    assert reportable([gone, run, replace(run, experiment="compare")]) == [
        run,
        replace(run, experiment="compare"),
    ]


def test_a_run_with_broken_claims_hides_no_other(tmp_path, monkeypatch):
    """Its section says what broke and shows the rest, as does that of a script which is broken."""
    good, bad, gone = (stored_toy(tmp_path / name) for name in ("good", "bad", "gone"))
    (bad.directory / f"{bad.keys[0]}.json").unlink()

    def claims(cells):
        raise ZeroDivisionError("no cells of <this> size")

    def found(name):
        if name == "gone":
            raise SyntaxError("invalid syntax (gone.py, line 3)")
        return replace(REPORTED, claims=claims) if name == "bad" else REPORTED

    stored = {"bad": bad, "gone": gone, "good": good}
    runs = [replace(run, experiment=name) for name, run in stored.items()]
    page = Page(reported_of(monkeypatch, tmp_path, found, runs))
    first, second, third = page.all("section", class_="run")
    notes = [each.text for each in page.all("li", first)]
    assert "1 of 4 cells have no row yet: run multiview run toy_experiment --preset smoke." in notes
    assert "The claims cannot be made: ZeroDivisionError: no cells of <this> size" in notes
    assert len(page.all("table", first)) == 1
    assert not page.all("article", first)
    notes = [each.text for each in page.all("li", second)]
    assert notes == ["The script cannot be imported: SyntaxError: invalid syntax (gone.py, line 3)"]
    assert len(page.all("article", third)) == len(CLAIMS)
