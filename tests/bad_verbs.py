"""Bad command lines of the program multiview."""

from bad_commands import a_file
from one_bad_input import BadInput, usage

VERBS: list[BadInput] = [
    usage(
        "no verb",
        "",
        "Missing subcommand Expected one of {list, run, compare, diagnose, show, publish, recheck, "
        "figures, pages, report, data}. For full helptext, run multiview --help",
    ),
    usage(
        "an unknown verb",
        "dance",
        "Unrecognized options Unrecognized options: dance Available subcommands: "
        "list, run, compare, diagnose, show, publish, recheck, figures, pages, report, data For "
        "full helptext, run multiview --help",
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
        "recheck where there is nothing",
        "recheck lottery",
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
        ["report", "--results", "my results"],
        "no results in my results: make some with `multiview run NAME --out 'my results'`.",
        code=1,
    ),
    usage(
        "report in an empty path",
        ["report", "--out", ""],
        "Value error Error parsing --out: the path is empty: use . for the current "
        "directory. Argument helptext: --out PATH the HTML file to write "
        "(default: report.html) For full helptext, see multiview --help",
    ),
    usage(
        "report in a folder",
        "report --out results",
        "out=results must end in .html: name such a file, and the folder of results by --results.",
        code=1,
    ),
    usage(
        "report in a folder that is not there",
        "report --out nowhere/report.html",
        "Cannot read or write nowhere/report.html: No such file or directory",
        code=1,
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
