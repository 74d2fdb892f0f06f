"""Options: what every script can be told on the command line, and what contradicts itself."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import field, make_dataclass
from typing import Annotated, Any, Literal

import tyro

from multiview.runs.command_line import REGISTRY, Folder, OptionalFolder, joined
from multiview.runs.dask_engine import DaskEngine
from multiview.runs.engines import LocalEngine, ProcessEngine, check_device
from multiview.runs.experiment import Experiment
from multiview.runs.slurm import SlurmEngine
from multiview.runs.store import RESULTS

# From the settings to what computes the cells.
ENGINES: dict[str, Callable[[Any], Any]] = {
    "local": lambda settings: LocalEngine(settings.workers),
    "processes": lambda settings: ProcessEngine(settings.workers),
    "dask": lambda settings: DaskEngine(settings.workers, settings.scheduler),
    "slurm": lambda settings: SlurmEngine(settings.workers, settings.slurm),
}

# What every script can be told: name, type, default, help, and how the value is called.
OPTIONS = (
    ("seeds", int | None, None, "independent repetitions, unless the preset's number", "N"),
    ("out", Folder, RESULTS, "directory of all results; rows go to OUT/EXPERIMENT", "DIR"),
    ("engine", Literal[tuple(ENGINES)], "local", "where cells are computed", None),
    ("workers", int | None, None, "processes of the engine, unless one a core", "N"),
    ("scheduler", str | None, None, "address or file of a Dask scheduler that runs", "ADDRESS"),
    ("threads", int | None, None, "threads of torch in a cell, unless its share of the cores", "N"),
    ("memory", float | None, None, "gigabytes of a process, unless what earlier ones took", "GB"),
    ("slurm", str, "", "options of sbatch for this site, e.g. '--partition=gpu'", "OPTIONS"),
    ("share", bool, False, "share the cells with processes that run the same command", None),
    ("data_dir", OptionalFolder, None, "directory of the real images, where some are used", "DIR"),
    ("device", str, "cpu", "torch device", "NAME"),
    ("resume", bool, False, "compute only the cells that have no row: what happens anyway", None),
    ("from_published", bool, False, "take published rows of the same code as computed", None),
    ("retry", bool, False, "compute again what is stored as failed or lost", None),
    ("fresh", bool, False, "compute every cell again", None),
    ("check", bool, False, "exit with 3 if a claim is refuted", None),
    ("json", bool, False, "print one JSON document: the claims' verdicts, and paths", None),
    ("no_figure", bool, False, "draw nothing", None),
)
EXCLUDE = (
    ("resume", "fresh"),
    ("retry", "fresh"),
    ("share", "fresh"),
    ("share", "retry"),
    ("from_published", "fresh"),
)


def parse(experiment: Experiment, args: Sequence[str] | None) -> Any:
    """What the command line says, the script's own options in ``own``.

    Raises:
        SystemExit: With 2, if it cannot be read, and with 0 if it asks for help.
    """
    presets = Literal[tuple(experiment.presets)]
    preset = ("preset", presets, experiment.default_preset, "size of the sweep", None)
    settings = [
        (name, Annotated[kind, tyro.conf.arg(help=text, metavar=metavar)], field(default=default))
        for name, kind, default, text, metavar in (preset, *OPTIONS)
    ]
    own = ("own", experiment.options, field(default=experiment.options()))
    return tyro.cli(
        make_dataclass("Settings", [*settings, own], frozen=True, kw_only=True),
        prog=f"{experiment.name}.py",
        description=f"{experiment.description.strip()}\n\nExit codes: 0 done, 1 error, 2 usage, "
        "3 done but a claim was refuted and --check was given, 143 ended by SIGTERM.",
        args=joined(sys.argv[1:] if args is None else args, "--slurm"),
        config=(tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff),
        registry=REGISTRY,
    )


def check_options(settings: Any) -> None:
    """Refuse options that contradict each other or this machine, before anything is read.

    Raises:
        ValueError: If some do.
    """
    for one, other in EXCLUDE:
        if getattr(settings, one) and getattr(settings, other):
            names = [each.replace("_", "-") for each in (one, other)]
            raise ValueError(f"--{names[0]} and --{names[1]} exclude each other: give one.")
    if settings.engine == "slurm" and (settings.fresh or settings.retry):
        raise ValueError(
            "engine='slurm' shares cells, whose rows say what is left: not with --fresh or --retry."
        )
    if settings.slurm and settings.engine != "slurm":
        raise ValueError(f"slurm={settings.slurm!r} is for sbatch: give --engine slurm too.")
    if settings.scheduler is not None and settings.engine != "dask":
        raise ValueError(f"scheduler={settings.scheduler} is Dask's: give --engine dask too.")
    if settings.share and settings.engine == "slurm":
        raise ValueError("--share and engine='slurm': its tasks share anyway, leave --share out.")
    if settings.threads is not None and settings.threads < 1:
        raise ValueError(f"threads={settings.threads} compute nothing: use at least 1.")
    if settings.memory is not None and not 0 < settings.memory < 1e6:
        raise ValueError(f"memory={settings.memory} counts gigabytes: use a positive number.")
    if settings.memory is not None and (
        settings.engine not in ("dask", "slurm") or settings.scheduler is not None
    ):
        raise ValueError(
            f"memory={settings.memory} limits the processes of --engine slurm, or dask without "
            "--scheduler: other engines do not place cells by it, leave it out."
        )
    if settings.data_dir is not None and not settings.data_dir.is_dir():
        raise ValueError(
            f"data_dir={settings.data_dir} is not a directory: name that of the images, or leave "
            "--data-dir out."
        )
    if settings.engine != "slurm":  # whose tasks have devices of their own
        check_device(settings.device)


def engine_of(settings: Any) -> Any:
    """The engine that is asked for.

    Raises:
        ValueError: If it is not there, or cannot have so many workers.
    """
    return ENGINES[settings.engine](settings)
