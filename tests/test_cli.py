"""The program multiview, on a package of scripts made for the test."""

import shutil
import subprocess
import sys
import types
from pathlib import Path

import pandas as pd
import pytest

from multiview import find
from multiview.cli import command

TOY = Path(__file__).with_name("toy_experiment.py")
FORGED = ("--preset", "smoke", "--coin", "forged", "--seeds", "4")


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


def test_list_names_every_experiment_with_its_claim(multiview):
    code, out, _ = multiview("list")
    assert code == 0
    for line, name in zip(out.splitlines()[1:], ["heads", "tails"], strict=True):
        assert line.split()[0] == name
        assert "A coin shows heads half of the time." in line
        assert "smoke, laptop" in line


def test_run_takes_the_options_of_the_experiment(multiview):
    code, out, err = multiview("run", "heads", *FORGED, "--check")
    assert code == 3  # a forged coin is not fair
    assert "refuted" in out
    assert "heads-smoke-coin_forged: 8 cells" in err
    assert Path("results/heads/heads-smoke-coin_forged.run.json").exists()
    assert "--coin {fair,forged}" in multiview("run", "heads", "--help")[1]


def test_show_prints_what_is_stored(multiview):
    multiview("run", "tails", "--preset", "smoke")
    multiview("run", "tails", "--coin", "forged")
    code, out, _ = multiview("show", "tails")
    assert code == 0
    assert "tails-smoke" in out
    assert "tails-coin_forged" in out
    assert out.count("heads: 0.") == 2
    assert out.count("Theorem 0") == 2
    assert "tails-coin_forged" not in multiview("show", "tails", "--preset", "smoke")[1]


def test_show_exports_every_row(multiview):
    multiview("run", "tails", "--preset", "smoke")
    assert multiview("show", "tails", "--export", "t.parquet")[0] == 0
    assert len(pd.read_parquet("t.parquet")) == 4
    code, _, err = multiview("show", "tails", "--export", "t.xlsx")
    assert code == 1
    assert "t.xlsx must end in .parquet or .csv" in err


def test_show_of_nothing_names_the_command_that_makes_it(multiview):
    code, _, err = multiview("show", "tails", "--preset", "smoke")
    assert code == 1
    assert "results/tails" in err
    assert "`multiview run tails --preset smoke`" in err


@pytest.mark.parametrize("args", [("run", "head"), ("show", "head")])
def test_an_unknown_experiment_is_a_usage_error_that_names_those_there_are(multiview, args):
    code, _, err = multiview(*args)
    assert code == 2
    assert "no experiment 'head'" in err
    assert "heads, tails" in err
    assert "Did you mean heads?" in err


@pytest.mark.parametrize(
    "args",
    [(), ("dance",), ("run",), ("data", "burn", "."), ("show", "heads", "--nothing")],
)
def test_what_the_parser_does_not_know_is_a_usage_error(multiview, args):
    assert multiview(*args)[0] == 2


def test_report_gathers_every_claim(multiview):
    multiview("run", "heads", "--preset", "smoke")
    multiview("run", "tails", *FORGED)
    code, out, _ = multiview("report")
    assert code == 0
    assert out.strip() == "results/report.md"
    text = Path("results/report.md").read_text()
    assert "1 refuted" in text
    assert "**refuted**" in text
    assert text.index("## heads-smoke") < text.index("## tails-smoke-coin_forged")


def test_figures_are_drawn_again_from_the_store(multiview, monkeypatch):
    from matplotlib.figure import Figure

    script = Path("toy_package/heads.py")
    text = script.read_text().replace("claims=claims,", 'claims=claims, figure="toy",')
    script.write_text(text)
    module = types.ModuleType("figures.toy")
    module.draw = lambda table: Figure()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "figures.toy", module)
    multiview("run", "heads", "--preset", "smoke", "--no-figure")
    multiview("run", "tails", "--preset", "smoke")
    monkeypatch.setenv("TOY_SEED_0", "diverge")
    multiview("run", "heads", "--coin", "forged", "--seeds", "1")  # a run with nothing to draw
    assert not list(Path("results").rglob("*.png"))
    assert multiview("figures")[0] == 0
    drawn = sorted(path.name for path in Path("results").rglob("*.p[nd][gf]"))
    assert drawn == ["heads-smoke.pdf", "heads-smoke.png"]

    def fail(table):
        raise ValueError("a figure's bug")

    monkeypatch.setattr(module, "draw", fail)
    code, _, err = multiview("figures")
    assert code == 1
    assert "heads-smoke cannot be drawn" in err
    multiview("report")
    assert "(heads/heads-smoke.png)" in Path("results/report.md").read_text()


def test_data_verify_prints_what_the_reader_of_images_says(multiview, monkeypatch):
    images = types.ModuleType("multiview.data.images")
    monkeypatch.setitem(sys.modules, "multiview.data.images", images)
    images.verify = lambda directory: [f"{directory}: ok"]  # type: ignore[attr-defined]
    assert multiview("data", "verify", "somewhere")[:2] == (0, "somewhere: ok\n")

    def missing(directory):
        raise FileNotFoundError(f"{directory}/data_batch_1 is missing")

    images.verify = missing  # type: ignore[attr-defined]
    code, _, err = multiview("data", "verify", "somewhere")
    assert code == 1
    assert "somewhere/data_batch_1 is missing" in err


def test_an_experiment_under_another_name_is_refused(multiview):
    script = Path("toy_package/heads.py")
    script.write_text(script.read_text().replace('name="heads"', 'name="other"'))
    code, _, err = multiview("run", "heads")
    assert code == 1
    assert "toy_package/heads.py names its experiment 'other'" in err


def test_the_program_needs_neither_plotting_nor_tables_to_start():
    code = (
        "import sys, multiview.cli\n"
        "print(*({'matplotlib', 'seaborn', 'pandas', 'scipy.stats'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
