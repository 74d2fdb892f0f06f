"""The program multiview, on a package of scripts made for the test."""

import ast
import shutil
import signal
import subprocess
import sys
import types
from pathlib import Path

import pandas as pd
import pytest

from multiview.runs import find
from multiview.runs.cli import command
from multiview.runs.find import names
from multiview.runs.listing import listed, presets_in
from multiview.runs.signals import Stopped

TOY = Path(__file__).parents[1] / "toy_experiment.py"
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


@pytest.mark.parametrize("exists", [False, True])
@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("report",), "no results in results: make some with `multiview run NAME`."),
        (("figures",), "no results in results: make some with `multiview run NAME`."),
        (
            ("report", "--out", "a b"),
            "no results in a b: make some with `multiview run NAME --out 'a b'`.",
        ),
        (
            ("show", "tails", "--export", "t.csv"),
            "no results in results/tails: make some with `multiview run tails`.",
        ),
        (("report", "--out", "o" * 300), "Cannot read or write " + "o" * 300),
    ],
)
def test_where_there_are_no_results_one_line_says_so(multiview, args, said, exists):
    if exists:
        Path("results/tails").mkdir(parents=True)
    code, out, err = multiview(*args)
    assert code == 1
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith(said)
    assert not Path("results/report.md").exists()


def test_a_run_without_rows_is_shown_and_its_export_is_one_line(multiview):
    multiview("run", "tails", "--preset", "smoke")
    for path in Path("results/tails").glob("*.json"):
        if not path.name.endswith(".run.json"):
            path.unlink()
    assert multiview("show", "tails")[0] == 0
    code, _, err = multiview("show", "tails", "--export", "t.csv")
    assert code == 1
    (line,) = err.splitlines()
    assert line == "no rows in results/tails: make them with `multiview run tails`."


def test_an_export_into_nowhere_is_one_line(multiview):
    multiview("run", "tails", "--preset", "smoke")
    code, _, err = multiview("show", "tails", "--export", "nowhere/t.csv")
    assert code == 1
    assert err.splitlines() == ["Cannot read or write nowhere/t.csv: No such file or directory"]


def test_an_unknown_preset_is_a_usage_error(multiview):
    code, _, err = multiview("show", "tails", "--preset", "huge")
    assert code == 2
    assert "preset='huge' is not one of smoke, laptop." in err


@pytest.mark.parametrize("args", [("report", "--out", ""), ("data", "verify", "")])
def test_an_empty_place_is_a_usage_error(multiview, args):
    code, out, err = multiview(*args)
    assert code == 2
    assert "the path is empty" in out + err


def test_figures_say_what_they_leave_out(multiview, monkeypatch):
    multiview("run", "tails", "--preset", "smoke")
    code, out, err = multiview("figures")
    assert (code, out) == (0, "")
    assert err.splitlines() == ["tails-smoke: the experiment has no figure."]
    script = Path("toy_package/heads.py")
    script.write_text(script.read_text().replace("claims=claims,", 'claims=claims, figure="toy",'))
    monkeypatch.setenv("TOY_SEED_0", "diverge")
    multiview("run", "heads", "--seeds", "1")
    assert "heads: no row succeeded, nothing to draw." in multiview("figures")[2]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Stopped(signal.SIGINT)])
def test_ctrl_c_is_one_line(multiview, monkeypatch, error):
    def interrupted():
        raise error

    monkeypatch.setattr("multiview.runs.cli.names", interrupted)
    code, _, err = multiview("list")
    assert code == 1
    assert err == "Interrupted.\n"


def test_what_a_source_does_not_state_is_asked_of_the_script(multiview):
    script = Path("toy_package/heads.py")
    script.write_text(script.read_text().replace("grids={", "grids=dict(other=GRID) | {"))
    script.write_text(
        script.read_text().replace("EXPERIMENT =", "GRID = Grid(cells=cells)\nEXPERIMENT =")
    )
    assert "other, smoke, laptop" in multiview("list")[1]


@pytest.mark.parametrize(
    "grids",
    [
        '{"a": 1, "b": 2}',
        "GIVEN",
        "{name: f(n) for name, n in GIVEN.items()}",
        "{name: f(name) for name in GIVEN}",
    ],
)
def test_presets_are_read_from_the_source(grids):
    source = f'GIVEN: dict = {{"a": 1, "b": 2}}\nEXPERIMENT = Experiment(grids={grids})'
    assert presets_in(ast.parse(source)) == ("a", "b")


@pytest.mark.parametrize(
    "grids",
    [
        "GRIDS",
        "f()",
        "{name: 1 for name, n in GIVEN.items() if n}",
        "{n: 1 for k, n in GIVEN}",
        '{**GIVEN, "c": 1}',
        "{f(name): 1 for name in GIVEN}",
        "{1: 2}",
    ],
)
def test_presets_that_a_source_does_not_state_are_not_guessed(grids):
    source = f'GIVEN = {{"a": 1, "b": 2}}\nGRIDS = GRIDS\nEXPERIMENT = Experiment(grids={grids})'
    assert presets_in(ast.parse(source)) is None


@pytest.mark.parametrize("name", names())
def test_the_list_says_what_the_experiments_say(name):
    experiment = find.find(name)
    assert listed(name) == (experiment.title, tuple(experiment.grids))


HEAVY = {"torch", "pandas", "matplotlib", "seaborn", "scipy", "pyarrow"}


@pytest.mark.parametrize("args", [("--help",), ("list",), ("show", "--help"), ("run", "--help")])
def test_texts_are_printed_without_heavy_imports(args):
    code = (
        "import sys\n"
        f"sys.argv = ['multiview', *{args}]\n"
        "try:\n"
        "    import multiview.__main__ as program\n"
        "    program.main()\n"
        "finally:\n"
        f"    print('imported:', *({HEAVY} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0
    assert len(done.stdout) > 100
    assert done.stderr == "imported:\n"


def test_the_program_needs_neither_plotting_nor_tables_to_start():
    code = (
        "import sys, multiview.runs.cli\n"
        "print(*({'matplotlib', 'seaborn', 'pandas', 'scipy.stats'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
