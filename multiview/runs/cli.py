"""The command line: multiview list, run, compare, diagnose, show, figures, report and others.

`multiview --tyro-print-completion bash` (or zsh, tcsh) prints a script by which that shell
completes commands and their options.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import tyro
from rich.console import Console

from multiview.runs.command_line import REGISTRY, Folder, OptionalFolder, in_words
from multiview.runs.documents import as_text, document
from multiview.runs.every import run_all
from multiview.runs.experiment import Experiment, UnknownName
from multiview.runs.find import drawing, find
from multiview.runs.html_report import REPORT, check_report, reportable, write_report
from multiview.runs.pages import write_pages
from multiview.runs.publish import publish as pack
from multiview.runs.publish import published_runs, rows_folder
from multiview.runs.quick import list_experiments, quick
from multiview.runs.recomputed import compare as compare_rows
from multiview.runs.recomputed import record as keep
from multiview.runs.report import is_newest, present
from multiview.runs.script import DONE, ERROR, USAGE, run_script
from multiview.runs.signals import leave
from multiview.runs.store import (
    RESULTS,
    Run,
    check_export,
    concatenated,
    export,
    load,
    no_results,
    stored_runs,
)

Out = Annotated[Folder, tyro.conf.arg(help="directory of all results")]
Name = Annotated[str, tyro.conf.Positional]
Published = Annotated[bool, tyro.conf.arg(help="use the rows published with the package")]


def run(name: Name, *own: str) -> int:
    """Run an experiment, or each with --all; for its options see `multiview run NAME --help`."""
    return run_script(find(name), own)


def compare(*own: str) -> int:
    """Compare methods in one setting: views learned and errors, see `multiview compare --help`."""
    return run_script(find("compare"), own)


def show(
    name: Name,
    *,
    out: Out = RESULTS,
    preset: str | None = None,
    published: Published = False,
    export_to: Annotated[Folder | None, tyro.conf.arg(name="export")] = None,
    json: bool = False,
) -> int:
    """Print an experiment's stored results: tables, claims, verdicts.

    Args:
        preset: Only the runs of this preset.
        published: The rows that are published with the package, not those in OUT.
        export_to: Write all rows of the newest code to this .parquet or .csv file as well.
        json: Print one JSON document: each run's claims with their verdicts, and paths.
    """
    experiment = find(name)
    if preset is not None:
        experiment.preset(preset)  # or it is refused
    if export_to is not None:
        check_export(export_to)
    every = published_runs(rows_folder(), name) if published else stored_runs(out, name)
    runs = [run for run in every if preset in (None, run.preset)]
    if not runs and published:
        raise FileNotFoundError(f"no rows of {name} are published: run `multiview run {name}`.")
    if not runs:
        wanted = name if preset is None else f"{name} --preset {preset}"
        raise FileNotFoundError(no_results(out, wanted, out / name))
    console = _console()
    if json:
        whole = [document(experiment, stored) for stored in runs]
        print(as_text({"experiment": name, "runs": whole}))
    for stored in () if json else runs:
        console.rule(stored.label)
        present(console, experiment, stored)
    if export_to is not None:
        export(concatenated(runs) if published else load(out / name), export_to)
    return DONE


def publish(name: Name, *, out: Out = RESULTS, preset: str | None = None) -> int:
    """Pack the rows of an experiment's runs into figures/rows/NAME.jsonl.gz, to be committed.

    Args:
        preset: Of which preset; the default one unless said otherwise.
    """
    experiment = find(name)
    runs = _stored(experiment, out, preset)
    _check_newest(experiment, runs)
    path = pack(runs, rows_folder())
    _console().print(f"{path}: {path.stat().st_size / 1e3:.0f} kB", soft_wrap=True)
    return DONE


def recheck(
    name: Name, *, out: Out = RESULTS, preset: str | None = None, record: bool = False
) -> int:
    """Compare published rows with the same cells computed again by today's code.

    Compute some of them first: `multiview run NAME --seeds 1`. The exit code is 1 if they change
    the verdict on a claim.

    Args:
        preset: Of which preset; the default one unless said otherwise.
        record: Keep what is found in figures/rows/NAME.checks.json, to be committed: pages tell it.
    """
    experiment, folder = find(name), rows_folder()
    runs = _stored(experiment, out, preset)
    published = {run.label: run for run in published_runs(folder, name)}
    known = [run for run in runs if run.label in published]
    if not known:
        raise FileNotFoundError(f"none of these runs is published: {_labels(runs)}.")
    _check_newest(experiment, known)
    found = [compare_rows(experiment, published[run.label], run) for run in known]
    for each in found:
        _console().print(f"{each.label}: {each}.", soft_wrap=True)
    if record:
        print(keep(found, folder, name))
    return ERROR if any(each.changed for each in found) else DONE


def figures(*, out: Out = RESULTS, published: Published = False) -> int:
    """Draw the figures of all stored runs again, or, as OUT/LABEL.png, of the published rows."""
    make = drawing("make")
    return make.draw_published(out) if published else make.main(out)


def pages(*, check: bool = False) -> int:
    """Write the tables of all pages, and the list of claims, anew from the published rows.

    Args:
        check: Write nothing, and exit with 1 if a page is not as its rows make it.
    """
    stale = write_pages(check=check)
    for path in stale:
        print(f"{path}: {'differs from' if check else 'written from'} the published rows")
    return ERROR if stale and check else DONE


def report(
    *,
    out: Annotated[Folder, tyro.conf.arg(help="the HTML file to write")] = REPORT,
    results: Annotated[Folder, tyro.conf.arg(help="directory of all results")] = RESULTS,
    published: Published = False,
) -> int:
    """Gather all claims, verdicts, figures and tables in one HTML file that needs no other."""
    check_report(out)
    every = published_runs(rows_folder()) if published else stored_runs(results)
    runs = reportable(every)
    if not runs:
        raise FileNotFoundError(
            f"no published rows in {rows_folder()}: see `multiview publish`."
            if published
            else no_results(results)
        )
    with Console(stderr=True).status("") as status:
        write_report(runs, out, tell=lambda label: status.update(f"Reading and drawing {label}"))
    _console().print(f"{out}: {out.stat().st_size / 1e3:.0f} kB", soft_wrap=True)
    return DONE


def diagnose(
    folder: Annotated[Folder, tyro.conf.Positional],
    *,
    data: Literal["cifar10", "cifar100", "mnist"] | None = None,
    data_dir: Annotated[OptionalFolder, tyro.conf.arg(metavar="DIR")] = None,
    images: Annotated[int | None, tyro.conf.arg(metavar="N")] = None,
    samples: Annotated[OptionalFolder, tyro.conf.arg(metavar="FILE")] = None,
    seed: int = 0,
    sizes: tuple[int, ...] = (2, 5, 10),
    level: float = 0.95,
    batch_size: int = 256,
    device: str = "cpu",
    json: bool = False,
) -> int:
    """Predict what averaging and distilling networks like those saved in a folder will gain.

    Two or more networks of one kind, saved there by multiview.models.save, are asked for samples
    that they were not trained on: test images, or those of a file. What is measured and predicted
    is that of multiview.diagnosis.diagnose.

    Args:
        folder: Of files *.safetensors, one network each.
        data: Ask the test images of this data set, standardised by its training images.
        data_dir: The folder that holds it.
        images: So many of the test images, drawn by the seed; all unless said otherwise.
        samples: Ask the samples of this .npz or .safetensors file instead: its "inputs", of the
            form that the networks were trained on, and its "labels".
        seed: Of the draw of images, and of the draws by which intervals are made.
        sizes: Numbers of networks to predict for.
        level: Probability that a measured value should lie in its interval.
        batch_size: Samples evaluated at once.
        device: Torch device.
        json: Print one JSON document.
    """
    from multiview.diagnosis.command import Asked, diagnose_saved  # with torch

    asked = Asked(data=data, data_dir=data_dir, images=images, samples=samples, seed=seed)
    found = diagnose_saved(
        folder, asked, sizes=sizes, level=level, batch_size=batch_size, device=device
    )
    if json:
        print(as_text(found.document()))
    else:
        console = _console()
        for grid in found.grids():
            console.print(grid.rich())
    return DONE


def data(
    action: Annotated[Literal["verify"], tyro.conf.Positional],
    directory: Annotated[Folder, tyro.conf.Positional],
) -> int:
    """Check the image files in a directory against their published sizes and digests."""
    from multiview.data.images import verify  # the one place where bookkeeping asks the science

    for line in verify(directory):
        print(line)
    return DONE


COMMANDS = {
    "list": list_experiments,
    "run": run,
    "compare": compare,
    "diagnose": diagnose,
    "show": show,
    "publish": publish,
    "recheck": recheck,
    "figures": figures,
    "pages": pages,
    "report": report,
    "data": data,
}


def command(arguments: Sequence[str]) -> int:
    """Do what ``arguments`` say and return the exit code: 0 done, 1 error, 2 usage, 3 refuted."""
    try:
        if (code := quick(arguments)) is not None:
            return code
        match arguments:
            case ["run", *own] if "--all" in own:
                return run_all([each for each in own if each != "--all"])
            case ["run", name, *own] if not name.startswith("-"):
                return run(name, *own)  # whose options are the script's, not ours
            case ["compare", *own]:
                return compare(*own)
        return tyro.extras.subcommand_cli_from_dict(
            COMMANDS,
            prog="multiview",
            description=__doc__,
            args=arguments,
            config=(tyro.conf.FlagCreatePairsOff,),
            registry=REGISTRY,
        )
    except BrokenPipeError:
        raise
    except (ValueError, OSError, KeyboardInterrupt) as error:
        text = in_words(error) if isinstance(error, OSError) else str(error) or "Interrupted."
        Console(stderr=True).print(text, style="bold red", markup=False, soft_wrap=True)
        return USAGE if isinstance(error, UnknownName) else ERROR


def main() -> NoReturn:
    """The program ``multiview``."""
    leave(lambda: command(sys.argv[1:]))


def _stored(experiment: Experiment, out: Path, preset: str | None) -> list[Run]:
    """The stored runs of a preset, by default the usual one."""
    chosen = preset or experiment.default_preset
    experiment.preset(chosen)  # or it is refused
    runs = [run for run in stored_runs(out, experiment.name) if run.preset == chosen]
    if not runs:
        wanted = f"{experiment.name} --preset {chosen}"
        raise FileNotFoundError(no_results(out, wanted, out / experiment.name))
    return runs


def _check_newest(experiment: Experiment, runs: Sequence[Run]) -> None:
    if old := [run for run in runs if not is_newest(experiment, run)]:
        raise ValueError(f"{_labels(old)}: made by older code, run it again first.")


def _labels(runs: Sequence[Run]) -> str:
    return ", ".join(run.label for run in runs)


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else 120)
