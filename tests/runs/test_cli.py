"""The program multiview, on a package of scripts made for the test."""

import json
import shutil
import signal
import subprocess
import sys
import types
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from toy_experiment import claims as coin_claims

from multiview.runs import find
from multiview.runs.claims import Judgement, at_least
from multiview.runs.documents import ledger
from multiview.runs.signals import Stopped
from multiview.runs.store import stored_runs
from multiview.runs.verdicts import judgements

FORGED = ("--preset", "smoke", "--coin", "forged", "--seeds", "4")


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
    assert out.count("Heads, %") == out.count("200 flips") == 2
    assert out.count("Theorem 0") == 2
    assert "tails-coin_forged" not in multiview("show", "tails", "--preset", "smoke")[1]


def test_show_exports_every_row(multiview):
    multiview("run", "tails", "--preset", "smoke")
    assert multiview("show", "tails", "--export", "t.parquet")[0] == 0
    table = pd.read_parquet("t.parquet")
    assert table["method"].tolist() == ["coin", "data"] * 4
    code, _, err = multiview("show", "tails", "--export", "t.xlsx")
    assert code == 1
    assert "t.xlsx must end in .parquet or .csv" in err


def test_parquet_without_its_package_is_refused_before_anything_is_shown(multiview, monkeypatch):
    multiview("run", "tails", "--preset", "smoke")
    monkeypatch.setattr("multiview.runs.store.importlib.util.find_spec", lambda name: None)
    code, out, err = multiview("show", "tails", "--export", "t.parquet")
    assert (code, out) == (1, "")
    assert (
        "export=t.parquet needs the package pyarrow: pip install 'multiview-theory[parquet]'" in err
    )


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
    code, out, err = multiview("report")
    size = Path("report.html").stat().st_size
    assert (code, out, err) == (0, f"report.html: {size / 1e3:.0f} kB\n", "")
    text = Path("report.html").read_text()
    assert 'id="tails-smoke-coin_forged.fair" data-verdict="refuted"' in text
    assert 'id="heads-smoke.fair" data-verdict="' in text
    assert text.index('<section id="heads-smoke"') < text.index('<section id="tails-smoke-coin_')


def test_the_report_of_published_rows_is_that_of_the_stored_ones(multiview, published):
    multiview("run", "heads", "--preset", "smoke", "--out", "elsewhere")
    multiview("publish", "heads", "--preset", "smoke", "--out", "elsewhere")
    assert multiview("report", "--results", "elsewhere", "--out", "stored.html")[0] == 0
    assert multiview("report", "--published", "--out", "published.html")[0] == 0
    assert Path("published.html").read_bytes() == Path("stored.html").read_bytes()


@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("report.md", "out=report.md must end in .html: name such a file, and the folder of "),
        ("results", "out=results must end in .html: name such a file, and the folder of results "),
        ("nowhere/report.html", "Cannot read or write nowhere/report.html: No such file or dir"),
        ("folder.html", "Cannot read or write folder.html: Is a directory"),
        ("file/report.html", "Cannot read or write file/report.html: Not a directory"),
        ("o" * 300 + ".html", f"Cannot read or write {'o' * 300}.html: File name too long"),
    ],
)
def test_where_no_report_can_be_written_nothing_is_read(multiview, monkeypatch, out, said):
    def read(*given):
        raise AssertionError

    monkeypatch.setattr("multiview.runs.cli.stored_runs", read)
    Path("folder.html").mkdir()
    Path("file").touch()
    before = sorted(Path().rglob("*"))
    code, printed, err = multiview("report", "--out", out)
    assert (code, printed) == (1, "")
    (line,) = err.splitlines()
    assert line.startswith(said)
    assert sorted(Path().rglob("*")) == before


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
    note = "The figure cannot be made: ValueError: a figure&#39;s bug"
    assert note in Path("report.html").read_text()


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
            ("report", "--results", "a b"),
            "no results in a b: make some with `multiview run NAME --out 'a b'`.",
        ),
        (
            ("show", "tails", "--export", "t.csv"),
            "no results in results/tails: make some with `multiview run tails`.",
        ),
        (
            ("publish", "tails", "--preset", "smoke"),
            "no results in results/tails: make some with `multiview run tails --preset smoke`.",
        ),
        (("show", "tails", "--published"), "no rows of tails are published: run `multiview run"),
        (("figures", "--published"), "no published rows in "),
        (("report", "--published"), "no published rows in "),
    ],
)
def test_where_there_are_no_results_one_line_says_so(multiview, published, args, said, exists):
    if exists:
        Path("results/tails").mkdir(parents=True)
    code, out, err = multiview(*args)
    assert code == 1
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith(said)
    assert not Path("report.html").exists()


def test_a_run_without_rows_is_shown_and_its_export_is_one_line(multiview):
    multiview("run", "tails", "--preset", "smoke")
    for path in Path("results/tails").glob("*.json"):
        if not path.name.endswith(".run.json"):
            path.unlink()
    code, out, _ = multiview("show", "tails")
    assert code == 0
    assert "4 of 4 cells have no row yet: run `multiview run tails --preset smoke`." in out
    assert multiview("report")[0] == 0
    assert "run <code>multiview run tails --preset smoke</code>" in Path("report.html").read_text()
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

    monkeypatch.setattr("multiview.runs.quick.names", interrupted)
    code, _, err = multiview("list")
    assert code == 1
    assert err == "Interrupted.\n"


def test_what_a_source_does_not_state_is_asked_of_the_script(multiview):
    script = Path("toy_package/heads.py")
    text = script.read_text().replace("presets={", "presets=dict(other=OTHER) | {")
    script.write_text(text.replace("EXPERIMENT =", "OTHER = Preset(cells=cells)\nEXPERIMENT ="))
    assert "other, smoke, laptop" in multiview("list")[1]


HEAVY = {"torch", "pandas", "matplotlib", "seaborn", "scipy", "pyarrow"}


def test_the_list_asks_for_nothing_large():
    """What takes time to import, and processor time of the whole, start of Python included."""
    code = (
        "import sys, time\n"
        "sys.argv = ['multiview', 'list']\n"
        "try:\n"
        "    from multiview.__main__ import main\n"
        "    main()\n"
        "finally:\n"
        "    large = {'numpy', 'torch', 'pandas', 'tyro', 'rich', 'multiview.runs.cli'}\n"
        "    print(time.process_time(), *(large & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    (seconds,) = done.stderr.split()
    assert float(seconds) < 0.7


def test_the_version_is_printed(multiview):
    import multiview as package

    assert multiview("--version") == (0, f"multiview {package.__version__}\n", "")
    command = [sys.executable, "-m", "multiview", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"multiview {package.__version__}\n"


def test_the_list_is_one_document(multiview):
    code, out, _ = multiview("list", "--json")
    assert code == 0
    title = "A coin shows heads half of the time."
    assert json.loads(out) == {
        "experiments": [
            {"name": name, "title": title, "presets": ["smoke", "laptop"]}
            for name in ("heads", "tails")
        ]
    }


def test_a_run_is_one_document_with_the_verdicts_that_are_shown(multiview, tmp_path):
    code, out, err = multiview("run", "heads", *FORGED, "--check", "--json")
    assert code == 3
    assert "8 cells" in err
    found = json.loads(out, parse_constant=pytest.fail)  # strict JSON
    (claim,) = found["claims"]
    experiment = find.find("heads")
    (run,) = stored_runs(tmp_path / "results")
    (judged,) = judgements(experiment, run, run.table())
    interval = judged.interval
    assert interval is not None
    assert claim["verdict"] == judged.verdict == "refuted"
    assert claim["estimate"] == interval.mean
    assert claim["interval"] == [interval.low, interval.high]
    assert claim["predicted"] == list(judged.claim.predicted)
    assert claim["n"] == judged.repetitions
    assert {found["cells"], found["rows"]} == {8}
    assert found["run"] == "heads-smoke-coin_forged"
    assert Path(found["paths"]["run"]).is_file()
    assert Path(found["paths"]["rows"]).is_dir()
    assert multiview("show", "heads", "--json")[1].strip() == json.dumps(
        {"experiment": "heads", "runs": [found]}, ensure_ascii=False
    )


def test_what_cannot_be_a_number_of_json_is_null(multiview):
    """The open end of a predicted interval, and the ends of an interval of one value."""
    multiview("run", "heads", "--preset", "smoke", "--seeds", "1")
    (claim,) = json.loads(multiview("show", "heads", "--json")[1])["runs"][0]["claims"]
    assert claim["interval"] == [None, None]
    open_end = replace(coin_claims([])[0], predicted=at_least(0.25))
    (entry,) = ledger([Judgement(claim=open_end, repetitions=0, missing=1)])
    assert entry["predicted"] == [0.25, None]
    assert entry["estimate"] is entry["interval"] is None


def test_published_rows_are_a_document_too(multiview, published):
    multiview("run", "heads", "--preset", "smoke")
    multiview("publish", "heads", "--preset", "smoke")
    (run,) = json.loads(multiview("show", "heads", "--published", "--json")[1])["runs"]
    assert Path(run["paths"]["rows"]) == published / "heads.jsonl.gz"
    assert all(Path(run["paths"][name]).is_file() for name in ("rows", "run"))


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


# Published rows


def figured(name="heads"):
    """Give an experiment a figure: figures/toy.py."""
    script = Path(f"toy_package/{name}.py")
    script.write_text(script.read_text().replace("claims=claims,", 'claims=claims, figure="toy",'))


@pytest.fixture
def toy_figure(monkeypatch):
    """A picture of numbers and arrays, by method."""
    import matplotlib.pyplot as plt

    def draw(table):
        figure, axes = plt.subplots()
        coin = table[table["method"] == "coin"]
        axes.plot(coin["seed"], coin["error"], "o")
        for flips in coin["flips_made"]:
            axes.plot(flips.cumsum() / (1 + range(len(flips))[-1]))
        axes.set_title(", ".join(dict.fromkeys(table["method"])))
        return figure

    module = types.ModuleType("figures.toy")
    module.draw = draw  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "figures.toy", module)


def test_published_rows_are_shown_as_the_stored_ones(multiview, published):
    multiview("run", "heads", "--preset", "smoke")
    code, out, _ = multiview("publish", "heads", "--preset", "smoke")
    assert code == 0
    assert out.startswith(f"{published}/heads.jsonl.gz: ")
    assert sorted(path.name for path in published.iterdir()) == [
        "heads.jsonl.gz",
        "heads.runs.json",
    ]
    stored = multiview("show", "heads")
    shutil.rmtree("results")
    assert multiview("show", "heads", "--published") == stored
    assert multiview("show", "heads", "--published", "--preset", "laptop")[0] == 1
    assert multiview("show", "heads", "--published", "--export", "t.csv")[0] == 0
    assert len(pd.read_csv("t.csv")) == 8


@pytest.mark.usefixtures("toy_figure")
def test_figures_of_published_rows_are_those_of_the_stored_ones(multiview, published):
    figured()
    multiview("run", "heads", "--preset", "smoke")
    multiview("publish", "heads", "--preset", "smoke")
    drawn = Path("results/heads/heads-smoke.png").read_bytes()
    shutil.rmtree("results")
    code, out, err = multiview("figures", "--published", "--out", "pictures")
    assert (code, out, err) == (0, "pictures/heads-smoke.png\n", "")
    assert Path("pictures/heads-smoke.png").read_bytes() == drawn


def test_runs_of_several_presets_and_options_are_published_side_by_side(multiview, published):
    multiview("run", "heads", "--preset", "smoke")
    multiview("run", "heads", *FORGED)
    multiview("run", "heads")
    multiview("publish", "heads")
    assert multiview("publish", "heads", "--preset", "smoke")[0] == 0
    out = multiview("show", "heads", "--published")[1]
    labels = [line.split()[1] for line in out.splitlines() if line.startswith("───")]
    assert labels == ["heads", "heads-smoke", "heads-smoke-coin_forged"]


def test_rows_of_older_or_uncommitted_code_are_not_published(multiview, published, monkeypatch):
    multiview("run", "heads", "--preset", "smoke")
    monkeypatch.setattr("multiview.runs.experiment.code_version", lambda *given: "edited")
    code, _, err = multiview("publish", "heads", "--preset", "smoke")
    assert code == 1
    assert err == "heads-smoke: made by older code, run it again first.\n"
    monkeypatch.setattr("multiview.runs.runner.commit", lambda: "c0ffee-dirty")
    multiview("run", "heads", "--preset", "smoke")
    code, _, err = multiview("publish", "heads", "--preset", "smoke")
    assert code == 1
    assert err == (
        "rows of heads-smoke were made by code that is in no commit: commit it, then run "
        "`multiview run heads --preset smoke --fresh`.\n"
    )
    assert not published.exists()


@pytest.mark.parametrize(
    "args", [("show", "heads", "--published"), ("publish", "heads"), ("figures", "--published")]
)
def test_a_damaged_published_file_is_one_line_that_says_what_to_do(multiview, published, args):
    multiview("run", "heads")
    multiview("publish", "heads")
    path = published / "heads.jsonl.gz"
    path.write_bytes(path.read_bytes()[:-20])
    code, out, err = multiview(*args)
    assert (code, out) == (1, "")
    (line,) = err.splitlines()
    assert line.startswith(f"{path} is not as it was published (")
    about = published / "heads.runs.json"
    assert line.endswith(f"`git checkout -- {path} {about}`, or remove both and publish again.")
    path.unlink()
    about.unlink()
    assert multiview("publish", "heads")[0] == 0
    assert multiview(*args)[0] == 0


def test_an_unknown_preset_is_not_published(multiview, published):
    code, _, err = multiview("publish", "heads", "--preset", "huge")
    assert code == 2
    assert err == "preset='huge' is not one of smoke, laptop.\n"
