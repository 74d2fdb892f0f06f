"""The wheel: what is in it, and that what it installs runs outside a clone."""

import importlib
import json
import os
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

import multiview
from multiview.runs import bundled
from multiview.runs.find import find, names
from multiview.runs.publish import published_names, rows_folder
from multiview.runs.recomputed import SUFFIX

pytest.importorskip("hatchling", reason="the wheel is built with hatchling: install '.[test]'")
ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BUNDLED = "multiview/_bundled/"
# Rows that are in a clone alone.
LEFT_OUT = {
    "class_channels",
    "classes_needed",
    "data_tilt",
    "finite_size",
    "gaussian_inputs",
    "lottery",
    "train_average",
    "two_images",
}


def pip(*args: str, python: str = sys.executable) -> None:
    command = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check"]
    subprocess.run([*command, *args], check=True, capture_output=True, text=True)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-cache-dir"]
    pip("wheel", *options, "--wheel-dir", str(folder), str(ROOT))
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    """The Python of a fresh environment with the wheel; all else is where it is for this one."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    pip("install", "--quiet", "--no-deps", "--no-index", str(wheel), python=str(python))
    packages = sysconfig.get_path("purelib", vars={"base": str(folder)})
    # A folder named in such a file is searched, but files of this kind in it are not read, so that
    # no clone is found by them.
    Path(packages, "others.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return python


@pytest.fixture
def call(python, tmp_path):
    """Call a program of that environment, in an empty folder."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}

    def call(program: str, *args: str) -> str:
        command = [str(python.with_name(program)), *args]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return call


def test_the_wheel_holds_one_package_without_pictures(wheel):
    assert wheel.name.startswith("multiview_theory-")
    assert wheel.stat().st_size < 1_000_000
    inside = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in inside}
    assert tops == {"multiview", f"multiview_theory-{PROJECT['version']}.dist-info"}
    assert {Path(name).suffix for name in inside if name.startswith("multiview/")} == {
        ".py", ".typed", ".gz", ".json", ".html", ".css",
    }  # fmt: skip
    assert "multiview/py.typed" in inside
    assert "multiview/runs/templates/report.html" in inside
    for package in ("theory_experiments", "figures"):
        sources = {path.relative_to(ROOT).as_posix() for path in (ROOT / package).rglob("*.py")}
        assert sources == {
            name.removeprefix(BUNDLED)
            for name in inside
            if name.startswith(f"{BUNDLED}{package}/") and name.endswith(".py")
        }
    # What holds both may not be a package, or their modules would have other names.
    assert f"{BUNDLED}__init__.py" not in inside
    rows = {name.removeprefix(f"{BUNDLED}figures/rows/") for name in inside if "/rows/" in name}
    packed = {name.removesuffix(".jsonl.gz") for name in rows if name.endswith(".gz")}
    assert packed == set(published_names(rows_folder())) - LEFT_OUT
    pairs = {name for name in rows if not name.endswith(SUFFIX)}
    assert len(pairs) == 2 * len(packed)


def test_the_versions_agree():
    assert PROJECT["version"] == multiview.__version__
    assert f"version: {multiview.__version__}\n" in (ROOT / "CITATION.cff").read_text()


def test_what_is_installed_runs_outside_a_clone(call, tmp_path):
    """Its experiments have the very code version that those of the clone have."""
    found = json.loads(call("multiview", "list", "--json"))["experiments"]
    assert [each["name"] for each in found] == names()
    whole = call("multiview", "run", "lottery", "--preset", "smoke", "--json")
    run = json.loads(whole)
    assert run["rows"] == run["cells"] > 0
    assert run["code_version"] == find("lottery").code_version()
    assert [Path(path).name for path in run["paths"]["figures"]] == [
        "lottery-smoke.png",
        "lottery-smoke.pdf",
    ]
    assert all(Path(path).is_relative_to(tmp_path) for path in run["paths"]["figures"])


def test_what_is_installed_holds_published_rows(call):
    shown = json.loads(call("multiview", "show", "ensemble_vs_ntk", "--published", "--json"))
    (run,) = shown["runs"]
    assert run["rows"] == run["cells"]
    assert Path(run["paths"]["rows"]).is_file()
    assert {claim["verdict"] for claim in run["claims"]} >= {"supported"}


def test_a_clone_is_found_before_what_is_installed(tmp_path, monkeypatch):
    """What is bundled is looked at where there is nothing else, and comes last."""
    folder = tmp_path / "_bundled"
    for package in ("theory_experiments", "only_here"):
        (folder / package).mkdir(parents=True)
        (folder / package / "__init__.py").write_text("")
    monkeypatch.setattr(bundled, "FOLDER", folder)
    monkeypatch.setattr(sys, "path", [*sys.path])
    spec = bundled.importable("theory_experiments")
    assert spec is not None
    assert str(folder) not in sys.path
    assert bundled.importable("nowhere") is None
    spec = bundled.importable("only_here")
    assert spec is not None
    assert sys.path[-1] == str(folder)


def foreign(folder: Path, name: str) -> Path:
    """A package of somebody else."""
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").write_text("")
    return folder


def test_ours_is_found_before_a_package_of_the_same_name(tmp_path, monkeypatch):
    """Also where it lies first on the path, as where somebody works does; and it alone."""
    ours, theirs = foreign(tmp_path / "_bundled", "drawn"), foreign(tmp_path / "theirs", "drawn")
    for folder in (ours, theirs):
        foreign(folder, "scripts_of_both")
    monkeypatch.setattr(bundled, "FOLDER", ours)
    monkeypatch.setattr(sys, "path", [str(theirs), *sys.path])
    for _ in range(2):
        spec = bundled.importable("drawn", ours_first=True)
        assert spec is not None
        assert spec.origin == str(ours / "drawn" / "__init__.py")
    assert (sys.path[0], sys.path[-1]) == (str(theirs), str(ours))
    assert sys.path.count(str(ours)) == 1
    spec = bundled.importable("scripts_of_both")
    assert spec is not None
    assert spec.origin == str(theirs / "scripts_of_both" / "__init__.py")
    sys.modules.pop("drawn")


def test_experiments_of_ones_own_take_the_place_of_ours(tmp_path, monkeypatch):
    ours, theirs = foreign(tmp_path / "_bundled", "run"), foreign(tmp_path / "theirs", "run")
    monkeypatch.setattr(bundled, "FOLDER", ours)
    monkeypatch.setattr(sys, "path", [str(theirs), *sys.path])
    spec = bundled.importable("run")
    assert spec is not None
    assert spec.origin == str(theirs / "run" / "__init__.py")
    assert str(ours) not in sys.path


def test_a_package_of_the_same_name_that_has_been_imported_is_named(tmp_path, monkeypatch):
    ours, theirs = foreign(tmp_path / "_bundled", "taken"), foreign(tmp_path / "theirs", "taken")
    monkeypatch.setattr(bundled, "FOLDER", ours)
    monkeypatch.setattr(sys, "path", [str(theirs), *sys.path])
    monkeypatch.setitem(sys.modules, "taken", importlib.import_module("taken"))
    with pytest.raises(ValueError, match="somebody else has been imported from") as error:
        bundled.importable("taken", ours_first=True)
    assert str(theirs / "taken" / "__init__.py") in str(error.value)
    assert str(ours / "taken") in str(error.value)


def test_figures_of_somebody_else_do_not_hide_those_that_are_installed(call, tmp_path):
    foreign(tmp_path, "figures")
    code = "from multiview.runs.publish import rows_folder; print(rows_folder())"
    found = Path(call("python", "-c", code).strip())
    assert found.parts[-3:] == ("_bundled", "figures", "rows")
    assert "ensemble_vs_ntk" in call("multiview", "show", "ensemble_vs_ntk", "--published")


def test_a_folder_of_the_same_name_is_not_taken_for_ours(call, tmp_path):
    """Who works where there are pictures has a folder ``figures``."""
    (tmp_path / "figures").mkdir()
    code = "from multiview.runs.publish import rows_folder; print(rows_folder())"
    found = Path(call("python", "-c", code).strip())
    assert found.parts[-3:] == ("_bundled", "figures", "rows")
    assert found.is_dir()
