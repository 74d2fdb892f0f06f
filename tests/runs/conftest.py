"""The program multiview on a package of scripts made for the test."""

import shutil
import sys
from pathlib import Path

import pytest
from toy_runs import COMMIT

from multiview.runs import find
from multiview.runs.cli import command

TOY = Path(__file__).parents[1] / "toy_experiment.py"


@pytest.fixture
def multiview(tmp_path, monkeypatch, capfd):
    """Call the program in an empty directory, with two experiments: heads and tails."""
    package = tmp_path / "toy_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    for name in ("heads", "tails"):
        script = TOY.read_text().replace('name="toy_experiment"', f'name="{name}"')
        (package / f"{name}.py").write_text(script)
    (package / "_shared.py").write_text("raise ImportError")
    (package / "views").mkdir()
    (package / "views" / "__init__.py").write_text("raise ImportError")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(find, "PACKAGE", "toy_package")
    monkeypatch.chdir(tmp_path)

    def call(*args):
        try:
            code = command(args)
        except SystemExit as stop:
            code = stop.code
        printed = capfd.readouterr()
        return code, printed.out, printed.err

    yield call
    for name in [name for name in sys.modules if name.startswith("toy_package")]:
        del sys.modules[name]
    shutil.rmtree(package)


@pytest.fixture
def committed(monkeypatch):
    """Rows are made by code that is in a commit."""
    monkeypatch.setattr("multiview.runs.runner.commit", lambda: COMMIT)


@pytest.fixture
def published(tmp_path, monkeypatch, committed):
    """The folder of published rows, of code that is in a commit."""
    folder = tmp_path / "published"
    for user in ("multiview.runs.cli", "multiview.runs.pages", "figures.make"):
        monkeypatch.setattr(f"{user}.rows_folder", lambda: folder)
    return folder


@pytest.fixture
def heads(multiview, published):
    """Where the page of heads is to lie, whose smoke rows are published."""
    multiview("run", "heads", "--preset", "smoke")
    multiview("publish", "heads", "--preset", "smoke")
    Path("pyproject.toml").touch()
    path = Path("toy_package/pages/heads.md")
    path.parent.mkdir()
    return path
