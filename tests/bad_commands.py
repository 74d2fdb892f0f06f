"""Bad command lines of scripts."""

import os
import sys
from collections.abc import Sequence
from functools import partial
from unittest.mock import patch

from one_bad_input import BadInput, toy, usage

from multiview.runs.sbatch import options_of_site

script = partial(usage, program=toy)


def without_programs(arguments: Sequence[str]) -> int:
    """The toy experiment where no other program is found."""
    with patch.dict(os.environ, PATH=""):
        return toy(arguments)


def without_dask(arguments: Sequence[str]) -> int:
    """The toy experiment where Dask is not installed."""
    with patch.dict(sys.modules, distributed=None):
        return toy(arguments)


def a_file(name: str):
    """Prepare a file of this name."""
    return lambda here: (here / name).write_text("a file")


SCRIPTS: list[BadInput] = [
    script(
        "no repetitions",
        "--seeds 0",
        "seeds=0 leaves nothing to compute: use an integer of at least 1.",
    ),
    script(
        "fewer than none",
        "--seeds -2",
        "seeds=-2 leaves nothing to compute: use an integer of at least 1.",
    ),
    script(
        "seeds that are no number",
        "--seeds many",
        "Value error Error parsing --seeds: 'many' is no integer: use one such as "
        "3. Argument helptext: --seeds N independent repetitions, unless the "
        "preset's number (default: None) For full helptext, see toy_experiment.py "
        "--help",
    ),
    script(
        "an unknown preset",
        "--preset huge",
        "Invalid choice invalid choice 'huge' for argument '--preset'. Expected "
        "one of ('smoke', 'laptop'). For full helptext, run toy_experiment.py "
        "--help",
    ),
    script(
        "an unknown option",
        "--speed 3",
        "Unrecognized options Unrecognized options: --speed, 3 Perhaps you meant: "
        "--seeds N independent repetitions, unless the preset's number (default: "
        "None) For full helptext, run toy_experiment.py --help",
    ),
    script(
        "a word of no option",
        "fast",
        "Unrecognized options Unrecognized options: fast For full helptext, run "
        "toy_experiment.py --help",
    ),
    script(
        "an option without its value",
        "--seeds",
        "Missing argument Missing value for argument '--seeds'. Expected 1 values. "
        "For full helptext, run toy_experiment.py --help",
    ),
    script(
        "a wrong value of the script's own",
        "--coin golden",
        "Invalid choice invalid choice 'golden' for argument '--coin'. Expected "
        "one of ('fair', 'forged'). For full helptext, run toy_experiment.py --help",
    ),
    script(
        "resume and fresh", "--resume --fresh", "--resume and --fresh exclude each other: give one."
    ),
    script(
        "retry and fresh", "--retry --fresh", "--retry and --fresh exclude each other: give one."
    ),
    script(
        "share and fresh", "--share --fresh", "--share and --fresh exclude each other: give one."
    ),
    script(
        "share and retry", "--share --retry", "--share and --retry exclude each other: give one."
    ),
    script("no threads", "--threads 0", "threads=0 compute nothing: use at least 1."),
    script(
        "no workers",
        "--engine processes --workers 0",
        "workers=0 computes nothing: use at least 1.",
    ),
    script(
        "several workers here", "--workers 2", "workers=2: the local engine has one, use processes."
    ),
    script(
        "an unknown engine",
        "--engine cloud",
        "Invalid choice invalid choice 'cloud' for argument '--engine'. Expected "
        "one of {engines}. For full helptext, run toy_experiment.py "
        "--help",
    ),
    script(
        "an unknown device",
        "--device abacus",
        "device='abacus' is not available here ({torch_says}): use cpu.",
    ),
    script(
        "images nowhere",
        "--data-dir nowhere",
        "data_dir=nowhere is not a directory: name that of the images, or leave --data-dir out.",
    ),
    script(
        "images in a file",
        "--data-dir images.tar",
        "data_dir=images.tar is not a directory: name that of the images, or leave --data-dir out.",
        prepare=a_file("images.tar"),
    ),
    script(
        "an empty path",
        ["--out", ""],
        "Value error Error parsing --out: the path is empty: use . for the current "
        "directory. Argument helptext: --out DIR directory of all results; rows go "
        "to OUT/EXPERIMENT (default: results) For full helptext, see "
        "toy_experiment.py --help",
    ),
    script(
        "results in a file",
        "--out results",
        "Cannot read or write {here}/results/toy_experiment: Not a directory: name "
        "another place, or mend this one.",
        code=1,
        prepare=a_file("results"),
    ),
    script(
        "memory of nothing", "--memory 0", "memory=0.0 counts gigabytes: use a positive number."
    ),
    script(
        "memory that is no number",
        "--memory much",
        "Value error Error parsing --memory: 'much' is no number: use one such as "
        "0.5. Argument helptext: --memory GB gigabytes of a process, unless what "
        "earlier ones took (default: None) For full helptext, see "
        "toy_experiment.py --help",
    ),
    script(
        "memory that is NaN", "--memory nan", "memory=nan counts gigabytes: use a positive number."
    ),
    script(
        "memory for an engine without limits",
        "--memory 4",
        "memory=4.0 limits the processes of --engine slurm, or dask without "
        "--scheduler: other engines do not place cells by it, leave it out.",
    ),
    script(
        "memory for the workers of others",
        "--memory 4 --engine dask --scheduler tcp://here:8786",
        "memory=4.0 limits the processes of --engine slurm, or dask without "
        "--scheduler: other engines do not place cells by it, leave it out.",
    ),
    script(
        "Slurm and share",
        "--engine slurm --workers 2 --share",
        "--share and engine='slurm': its tasks share anyway, leave --share out.",
    ),
    script(
        "words for sbatch without Slurm",
        ["--slurm", "--partition=gpu"],
        "slurm='--partition=gpu' is for sbatch: give --engine slurm too.",
    ),
    script(
        "Slurm and fresh",
        "--engine slurm --workers 2 --fresh",
        "engine='slurm' shares cells, whose rows say what is left: not with --fresh or --retry.",
    ),
    script(
        "Slurm and retry",
        "--engine slurm --workers 2 --retry",
        "engine='slurm' shares cells, whose rows say what is left: not with --fresh or --retry.",
    ),
    usage(
        "Slurm without sbatch",
        "--engine slurm --workers 2",
        "engine='slurm' needs sbatch, which is not on PATH: run this where Slurm's "
        "commands are, or start processes with --share in another way.",
        program=without_programs,
    ),
    BadInput(
        "an unsplit word for sbatch",
        lambda here: options_of_site("--qos 'a"),
        'slurm="--qos \'a" cannot be split into words: put quotes in pairs.',
    ),
    BadInput(
        "a value apart for sbatch",
        lambda here: options_of_site("--partition gpu"),
        "slurm='--partition gpu': 'gpu' is no option: write each as one word, --name=value.",
    ),
    BadInput(
        "an option of ours for sbatch",
        lambda here: options_of_site("--array=0-9"),
        "slurm='--array=0-9': --array=0-9 is not yours to set (--array): leave it "
        "out; --workers is the number of tasks, --threads that of the processors "
        "of each.",
    ),
    script(
        "a scheduler of no engine",
        "--scheduler tcp://here:8786",
        "scheduler=tcp://here:8786 is Dask's: give --engine dask too.",
    ),
    script(
        "no workers of Dask",
        "--engine dask --workers 0",
        "workers=0 computes nothing: use at least 1.",
    ),
    script(
        "workers and a scheduler",
        "--engine dask --workers 2 --scheduler tcp://here:8786",
        "workers=2: the workers of scheduler=tcp://here:8786 are started with it, "
        "give one of the two.",
    ),
    usage(
        "Dask that is not there",
        "--engine dask",
        "engine=dask needs the package distributed: pip install 'multiview-theory[dask]'.",
        program=without_dask,
    ),
]
