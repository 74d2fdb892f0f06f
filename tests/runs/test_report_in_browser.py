"""The report as a browser shows it: wide and narrow, dark, without scripts, filtered, printed."""

import base64
import shutil
from pathlib import Path
from typing import Any

import pytest
from toy_reports import CLAIMS, reported

CHROMIUM = shutil.which("chromium")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
OPEN_ALL = "document.querySelectorAll('details').forEach(each => each.open = true)"


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    with pytest.MonkeyPatch.context() as monkeypatch:
        return reported(monkeypatch, tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        flags = ["--no-sandbox", "--disable-background-networking", "--disable-gpu"]
        running = started.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield running
        running.close()


@pytest.fixture
def opened(browser, report):
    """Open the report; at the end nothing else was asked for and nothing was complained about."""
    asked, said, contexts = [], [], []

    def open_page(**settings: Any):
        contexts.append(browser.new_context(**settings))
        page = contexts[-1].new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(report.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []
    outside = [url for url in asked if not url.startswith("data:") and url != report.as_uri()]
    assert outside == []


def overflow(page: Any) -> int:
    """By how many pixels the page is wider than the window."""
    return page.evaluate("document.documentElement.scrollWidth - window.innerWidth")


@pytest.mark.parametrize(
    ("viewport", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["desktop", "phone, dark"]
)
def test_it_fits_and_breaks_no_rule_of_accessibility(opened, viewport, scheme):
    page = opened(viewport=viewport, color_scheme=scheme)
    assert overflow(page) <= 0
    page.evaluate(OPEN_ALL)
    assert overflow(page) <= 0
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light")
    found = axe.Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def test_the_figure_is_drawn(opened):
    page = opened(viewport=DESKTOP)
    width = page.evaluate("document.querySelector('figure img').naturalWidth")
    assert width > 300


def test_filters_work_without_scripts(opened):
    page = opened(viewport=PHONE, java_script_enabled=False)
    rows = page.locator("tbody[data-verdict] tr:not(.group):visible")
    shown = page.locator("article:visible")
    assert shown.count() == rows.count() == len(CLAIMS)
    for verdict, number in (("refuted", 3), ("undecided", 2), ("supported", 1)):
        page.locator(f"label[for=report-show-{verdict}]").click()
        assert shown.count() == rows.count() == number
        kinds = {each.get_attribute("data-verdict") for each in shown.all()}
        assert kinds == {verdict}
    page.keyboard.press("ArrowRight")  # from the last one to the first: it is a group of radios
    assert shown.count() == len(CLAIMS)


def test_the_list_of_claims_can_be_saved(opened, tmp_path):
    page = opened(viewport=DESKTOP)
    with page.expect_download() as saved:
        page.locator("a[download]").click()
    assert saved.value.suggested_filename == "claims.csv"
    saved.value.save_as(tmp_path / "claims.csv")
    href = page.locator("a[download]").get_attribute("href")
    data = base64.b64decode(href.partition("base64,")[2])
    assert Path(tmp_path / "claims.csv").read_bytes() == data


def test_on_paper_all_tables_are_open_and_filters_gone(opened):
    page = opened(viewport={"width": 718, "height": 1016})
    page.emulate_media(media="print")
    assert overflow(page) <= 0
    assert page.locator("fieldset:visible").count() == 0
    closed = page.evaluate("document.documentElement.scrollHeight")
    page.evaluate(OPEN_ALL)
    assert page.evaluate("document.documentElement.scrollHeight") == closed
    assert page.pdf(format="A4").startswith(b"%PDF")
