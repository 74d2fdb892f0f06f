"""Pages: what stands between marks is written from the published rows, and only that."""

from pathlib import Path

import pytest

OF_RUN = """# Heads

Before.

<!-- about: heads-smoke -->
old
<!-- end -->
Between.
<!-- tables: heads-smoke -->
<!-- end -->

<!-- claims: heads-smoke -->
<!-- end -->
After.
"""
OF_ALL = "<!-- findings: tails -->\n<!-- end -->\n<!-- all claims -->\n<!-- end -->\n"


@pytest.fixture
def page(heads):
    """A page with every kind of block."""
    heads.write_text(OF_RUN)
    return heads


def test_blocks_are_written_from_the_published_rows(multiview, page):
    code, out, _ = multiview("pages")
    assert code == 0
    assert out == f"{page.absolute()}: written from the published rows\n"
    text = page.read_text()
    for part in ("# Heads\n\nBefore.\n\n<!-- about", "<!-- end -->\nBetween.\n", "\nAfter.\n"):
        assert part in text
    assert "\nold\n" not in text
    about = text.partition("-->\n")[2].partition("\n<!-- end")[0]
    assert about.startswith(
        "Numbers and picture are those of `multiview run heads --preset smoke`: 4 rows, seeds 0 to "
        "1, commit c0ffee0000, finished 20"
    )
    assert "torch" in about
    assert "The code has changed" not in about
    assert "\nHeads, %. Mean [95% interval], n=2; fractions of views" in text
    assert "\n| fair: heads as often as tails | Theorem 0 | 0.3 to 0.7 |" in text
    assert multiview("pages")[:2] == (0, "")  # nothing to write
    assert page.read_text() == text


def test_numbers_are_those_of_the_terminal(multiview, page):
    multiview("pages")
    shown = multiview("show", "heads", "--published")[1]
    (line,) = [line for line in page.read_text().splitlines() if line.startswith("| 200 flips")]
    assert line.split("|")[2].strip() in shown


def test_check_writes_nothing_and_fails_on_a_stale_page(multiview, page):
    code, out, _ = multiview("pages", "--check")
    assert code == 1
    assert out == f"{page.absolute()}: differs from the published rows\n"
    assert page.read_text() == OF_RUN
    multiview("pages")
    assert multiview("pages", "--check")[:2] == (0, "")
    page.write_text(page.read_text().replace("200 flips", "201 flips"))
    assert multiview("pages", "--check")[0] == 1


def test_rows_of_older_code_say_so(multiview, page, monkeypatch):
    multiview("pages")
    monkeypatch.setattr("multiview.runs.experiment.code_version", lambda *given: "edited")
    assert multiview("pages", "--check")[0] == 1
    multiview("pages")
    assert "The code has changed since in what may change these numbers." in page.read_text()


def test_claims_that_are_stated_no_more_are_named(multiview, page):
    import toy_package.heads as script  # type: ignore[import-not-found]

    object.__setattr__(script.EXPERIMENT, "claims", lambda cells: [])
    multiview("pages")
    assert "Registered, but stated no more: fair." in page.read_text()


def test_findings_are_the_primary_claims_with_links(multiview, page):
    readme = Path("README.md")
    readme.write_text(OF_ALL)
    script = Path("toy_package/tails.py")
    text = script.read_text().replace('name="fair",', 'name="fair", primary=True,')
    script.write_text(text)
    multiview("run", "tails")
    multiview("publish", "tails")
    assert multiview("pages")[0] == 0
    text = readme.read_text()
    findings = text.partition("<!-- end -->")[0].splitlines()[1:]
    assert findings[0] == "| finding | paper | predicted | here [95%] | n | verdict |"
    assert findings[3:] == ["", "All 1 published claims: 1 supported, 0 refuted, 0 undecided."]
    assert findings[2].startswith("| heads as often as tails | Theorem 0 | 0.3 to 0.7 | 0.")
    assert findings[2].endswith("| 4 | [supported](toy_package/pages/tails.md) |")
    assert "Of the published runs: 1 claims: 1 supported" in text
    assert "## tails\n\nClaims. 1 claims" in text
    # The default preset of heads is not published: its claims stand there without verdicts.
    assert "## heads\n\nNo rows published yet" in text
    assert "| fair: heads as often as tails | Theorem 0 | 0.3 to 0.7 | claim |" in text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<!-- poem: heads-smoke -->\n<!-- end -->", "asks for 'poem' between marks: there are"),
        ("<!-- findings -->\n<!-- end -->", "asks for 'findings' between marks"),
        ("<!-- about -->\n<!-- end -->", "asks for 'about' between marks"),
        ("<!-- about: heads -->\n<!-- end -->", "no run 'heads' is published: `multiview publish`"),
        ("<!-- about: heads-smoke -->\n", "has no <!-- end --> before the next mark"),
        (
            "<!-- about: heads-smoke -->\nwords\n<!-- tables: heads-smoke -->\n<!-- end -->",
            "<!-- about: heads-smoke --> has no <!-- end --> before the next mark",
        ),
    ],
)
@pytest.mark.parametrize("check", [(), ("--check",)])
def test_a_mark_that_cannot_be_written_is_one_line(multiview, page, text, said, check):
    page.write_text(text)
    code, out, err = multiview("pages", *check)
    assert (code, out) == (1, "")
    (line,) = err.splitlines()
    assert said in line
    if "is published" not in said:
        assert str(page.absolute()) in line
    assert page.read_text() == text


def test_a_page_without_marks_is_left_alone(multiview, page):
    page.write_text("Text.\n\n<!-- end -->\n")
    assert multiview("pages", "--check")[:2] == (0, "")


def test_a_mark_that_cannot_be_written_leaves_all_pages_as_they_were(multiview, page):
    Path("toy_package/pages/tails.md").write_text("<!-- poem: heads-smoke -->\n<!-- end -->")
    assert multiview("pages")[:2] == (1, "")
    assert page.read_text() == OF_RUN
    Path("toy_package/pages/tails.md").unlink()
    assert multiview("pages")[0] == 0
    assert page.read_text() != OF_RUN


@pytest.mark.parametrize("check", [(), ("--check",)])
def test_outside_a_clone_there_are_no_pages(multiview, page, check):
    Path("pyproject.toml").unlink()
    code, out, err = multiview("pages", *check)
    assert (code, out) == (1, "")
    assert err == f"{Path.cwd()} is no clone of the repository: pages lie in one.\n"
    assert page.read_text() == OF_RUN


def test_the_list_of_all_claims_corrects_within_each_run(multiview, page, monkeypatch):
    """It counts as surviving what survives in the tables of the runs below it."""
    multiview("run", "tails")
    multiview("publish", "tails")
    Path("README.md").write_text(OF_ALL)
    sizes = []

    def correct(judged):
        sizes.append(len(judged))
        return [True] * len(judged)

    monkeypatch.setattr("multiview.runs.counts.benjamini_hochberg", correct)
    multiview("run", "heads")
    multiview("publish", "heads")
    sizes.clear()
    assert multiview("pages")[0] == 0
    assert "Of the published runs: 2 claims: 2 supported, 0 refuted, 0 undecided; 2 of" in (
        Path("README.md").read_text()
    )
    assert set(sizes) <= {0, 1}
