"""Published rows: every picture and every number of a page is made from them."""

import re
from pathlib import Path

import matplotlib.image as image
import numpy as np
import pytest
from toy_reports import Page

from figures import make
from multiview.runs.find import find, names
from multiview.runs.html_report import write_report
from multiview.runs.pages import BLOCK, page_paths, write_pages
from multiview.runs.publish import published_names, published_runs, rows_folder
from multiview.runs.verdicts import stated

FIGURES = Path(make.__file__).parent
PAGES = FIGURES.parent / "theory_experiments" / "pages"
RUNS = {run.label: run for run in published_runs(rows_folder())}
COMMITTED = sorted(path.stem for path in FIGURES.glob("*.png"))
MOST_BYTES = 20e6  # of all published rows
MOST_BYTES_OF_REPORT = 3e6


def pixels(path):
    return image.imread(path)[..., :3]


@pytest.mark.parametrize("label", [label for label in COMMITTED if label in RUNS])
def test_a_committed_picture_is_that_of_its_published_rows(label, tmp_path):
    figure = make.picture(RUNS[label])
    assert figure is not None
    (tmp_path / "again.png").write_bytes(make.encoded(figure, "png"))
    again, committed = pixels(tmp_path / "again.png"), pixels(FIGURES / f"{label}.png")
    assert again.shape == committed.shape
    np.testing.assert_array_equal(again, committed)


def test_few_claims_are_primary():
    experiments = [find(name) for name in names()]
    stated = [e.claims_about(e.default_preset, e.options()) for e in experiments]
    assert 10 <= sum(claim.primary for claims in stated for claim in claims) <= 15


def test_a_published_run_with_a_figure_has_its_picture_committed():
    assert {label for label, run in RUNS.items() if run.figure is not None} <= set(COMMITTED)


@pytest.mark.parametrize("label", [label for label in COMMITTED if label not in RUNS])
def test_the_page_of_another_picture_names_the_commit_that_drew_it(label):
    page = (PAGES / f"{label.partition('-')[0]}.md").read_text()
    assert re.search(r"at commit `[0-9a-f]{7,40}`", page)


def test_every_number_between_marks_is_that_of_the_published_rows():
    assert write_pages(check=True) == []


def test_every_experiment_has_a_page_and_every_page_an_experiment():
    assert {path.stem for path in PAGES.glob("*.md")} == {*names(), "claims", "cost", "scale"}


@pytest.mark.parametrize("name", published_names(rows_folder()))
def test_a_page_with_published_rows_shows_all_of_them(name):
    found = BLOCK.finditer((PAGES / f"{name}.md").read_text())
    shown = {(match[2], match[3]) for match in found}
    for label in (label for label, run in RUNS.items() if run.experiment == name):
        assert {("about", label), ("tables", label), ("claims", label)} <= shown


def test_the_report_holds_every_published_claim_and_figure_and_is_small(tmp_path):
    path = write_report(list(RUNS.values()), tmp_path / "report.html")
    page, data = Page(path), path.read_bytes()
    claims = [claim for run in RUNS.values() for claim in stated(find(run.experiment), run)]
    assert sorted(each.text for each in page.all("h3")) == sorted(
        " ".join(claim.statement.split()) for claim in claims
    )
    assert len(page.all("img")) == sum(run.figure is not None for run in RUNS.values())
    assert b"cannot be made" not in data
    assert len(data) < MOST_BYTES_OF_REPORT
    assert len(set(page.values("id"))) == len(page.values("id"))


def test_published_rows_are_small_and_name_no_machine():
    paths = list(rows_folder().iterdir())
    assert sum(path.stat().st_size for path in paths) <= MOST_BYTES
    for run in RUNS.values():
        text = str([*run.rows(), run.claims, run.command])
        assert not re.search(r"/(home|root|work|tmp|Users)/", text)


@pytest.mark.parametrize("path", page_paths(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_links_of_a_page_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#]+)", path.read_text()):
        if not target.startswith(("http://", "https://")):
            assert (path.parent / target).exists(), target


def example(path: Path) -> str:
    """The Python of a page."""
    (found,) = re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL)
    return found


def test_the_front_page_is_short_and_its_example_runs(tmp_path, monkeypatch, capsys):
    page = FIGURES.parent / "README.md"
    assert page.read_text().count("\n") <= 150
    monkeypatch.chdir(tmp_path)
    exec(compile(example(page), "README.md", "exec"), {})
    assert "of the ensemble, Hinton's loss" in capsys.readouterr().out
    assert (tmp_path / "comparison.png").stat().st_size > 10_000


def test_the_example_of_the_parts_runs(capsys):
    page = PAGES.parent / "README.md"
    exec(compile(example(page), "theory_experiments/README.md", "exec"), {})
    each, average = re.findall(r": (.*)", capsys.readouterr().out)
    assert float(average) > max(eval(each)) + 0.1
