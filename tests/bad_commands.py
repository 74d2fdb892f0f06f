"""Bad command lines: of scripts, and of the program multiview."""

from functools import partial

from one_bad_input import BadInput, toy, usage

script = partial(usage, program=toy)


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
        "one of ('local', 'processes'). For full helptext, run toy_experiment.py "
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
        "a name too long",
        ["--out", "o" * 300],
        "Cannot read or write {here}/{long}/toy_experiment: File name too long: "
        "name another place, or mend this one.",
        code=1,
    ),
]
VERBS: list[BadInput] = [
    usage(
        "no verb",
        "",
        "Missing subcommand Expected one of {list, run, compare, show, publish, "
        "figures, pages, report, data}. For full helptext, run multiview --help",
    ),
    usage(
        "an unknown verb",
        "dance",
        "Unrecognized options Unrecognized options: dance Available subcommands: "
        "list, run, compare, show, publish, figures, pages, report, data For full "
        "helptext, run multiview --help",
    ),
    usage(
        "run of nothing",
        "run",
        "Required options Missing from multiview run: STR name (required) For full "
        "helptext, run: multiview run --help",
    ),
    usage(
        "an unknown experiment",
        "run lotery",
        "no experiment 'lotery': there are {experiments}. Did you mean lottery?",
    ),
    usage(
        "no repetitions",
        "run lottery --seeds 0",
        "seeds=0 leaves nothing to compute: use an integer of at least 1.",
    ),
    usage(
        "show of an unknown experiment",
        "show theory",
        "no experiment 'theory': there are {experiments}. Did you mean theorems?",
    ),
    usage(
        "show of an unknown preset",
        "show lottery --preset huge",
        "preset='huge' is not one of smoke, laptop, paper.",
    ),
    usage(
        "show where there is nothing",
        "show lottery --preset smoke",
        "no results in results/lottery: make some with `multiview run lottery --preset smoke`.",
        code=1,
    ),
    usage(
        "export to a spreadsheet",
        "show lottery --published --export t.xlsx",
        "export=t.xlsx must end in .parquet or .csv: name such a file.",
        code=1,
    ),
    usage(
        "publish where there is nothing",
        "publish lottery",
        "no results in results/lottery: make some with `multiview run lottery --preset laptop`.",
        code=1,
    ),
    usage(
        "figures of nothing",
        "figures",
        "no results in results: make some with `multiview run NAME`.",
        code=1,
    ),
    usage(
        "report of nothing",
        ["report", "--out", "my results"],
        "no results in my results: make some with `multiview run NAME --out 'my results'`.",
        code=1,
    ),
    usage(
        "report in an empty path",
        ["report", "--out", ""],
        "Value error Error parsing --out: the path is empty: use . for the current "
        "directory. Argument helptext: --out PATH directory of all results "
        "(default: results) For full helptext, see multiview --help",
    ),
    usage(
        "an unknown action on data",
        "data burn .",
        "Invalid choice invalid choice 'burn' for argument 'action'. Expected one "
        "of ('verify',). For full helptext, run multiview data --help",
    ),
    usage(
        "data in an empty path",
        ["data", "verify", ""],
        "Value error Error parsing PATH: the path is empty: use . for the current "
        "directory. Argument helptext: PATH directory (required) For full "
        "helptext, see multiview --help",
    ),
    usage(
        "data nowhere",
        "data verify nowhere",
        "nowhere holds none of cifar-10-batches-py, cifar-100-python, MNIST/raw: "
        "name the folder that does.",
        code=1,
    ),
    usage(
        "data in a file",
        "data verify images.tar",
        "images.tar holds none of cifar-10-batches-py, cifar-100-python, "
        "MNIST/raw: name the folder that does.",
        code=1,
        prepare=a_file("images.tar"),
    ),
]
