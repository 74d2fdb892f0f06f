"""Bad command lines: of scripts, of the program multiview, and of its compare."""

from functools import partial
from pathlib import Path

from one_bad_input import BadInput, toy, usage

script = partial(usage, program=toy)


def a_file(name: str):
    """Prepare a file of this name."""
    return lambda here: (here / name).write_text("a file")


SCRIPTS: list[BadInput] = [
    script("no repetitions", "--seeds 0", ""),
    script("fewer than none", "--seeds -2", ""),
    script("seeds that are no number", "--seeds many", ""),
    script("an unknown preset", "--preset huge", ""),
    script("an unknown option", "--speed 3", ""),
    script("a word of no option", "fast", ""),
    script("an option without its value", "--seeds", ""),
    script("a wrong value of the script's own", "--coin golden", ""),
    script("resume and fresh", "--resume --fresh", ""),
    script("retry and fresh", "--retry --fresh", ""),
    script("share and fresh", "--share --fresh", ""),
    script("share and retry", "--share --retry", ""),
    script("no threads", "--threads 0", ""),
    script("no workers", "--engine processes --workers 0", ""),
    script("several workers here", "--workers 2", ""),
    script("an unknown engine", "--engine cloud", ""),
    script("an unknown device", "--device abacus", ""),
    script("images nowhere", "--data-dir nowhere", ""),
    script("images in a file", "--data-dir images.tar", "", prepare=a_file("images.tar")),
    script("an empty path", ["--out", ""], ""),
    script("results in a file", "--out results", "", code=1, prepare=a_file("results")),
    script("a name too long", ["--out", "o" * 300], "", code=1),
]
VERBS: list[BadInput] = [
    usage("no verb", "", ""),
    usage("an unknown verb", "dance", ""),
    usage("run of nothing", "run", ""),
    usage("an unknown experiment", "run lotery", ""),
    usage("no repetitions", "run lottery --seeds 0", ""),
    usage("show of an unknown experiment", "show theory", ""),
    usage("show of an unknown preset", "show lottery --preset huge", ""),
    usage("show where there is nothing", "show lottery --preset smoke", "", code=1),
    usage("export to a spreadsheet", "show lottery --published --export t.xlsx", "", code=1),
    usage("publish where there is nothing", "publish lottery", "", code=1),
    usage("figures of nothing", "figures", "", code=1),
    usage("report of nothing", ["report", "--out", "my results"], "", code=1),
    usage("report in an empty path", ["report", "--out", ""], ""),
    usage("an unknown action on data", "data burn .", ""),
    usage("data in an empty path", ["data", "verify", ""], ""),
    usage("data nowhere", "data verify nowhere", "", code=1),
    usage("data in a file", "data verify images.tar", "", code=1, prepare=a_file("images.tar")),
]
COMPARISONS: list[BadInput] = [
    usage("an unknown method", "compare --methods one,hintom", ""),
    usage("no method", "compare --methods ,", ""),
    usage("no members", "compare --members 0", ""),
    usage("no samples", "compare --num-train 0", ""),
    usage("epochs below none", "compare --epochs -1", ""),
    usage("epochs that are no integer", "compare --epochs 1.5", ""),
    usage("no repetitions", "compare --seeds 0", ""),
    usage("an unknown setting", "compare --setting imagenet", ""),
    usage("an unknown network", "compare --setting mnist --net vgg", ""),
    usage("a network of images on patches", "compare --net fast", ""),
    usage("no folder of images", "compare --setting mnist", ""),
    usage("images nowhere", "compare --setting mnist --data-dir .", ""),
    usage("dropout of patches of images", "compare --setting mnist --methods patch_dropout", ""),
    usage("dropout without a layer for it", "compare --setting mnist --methods dropout", ""),
    usage("gates without a layer for them", "compare --setting cifar10 --methods gates", ""),
    usage("kernels of too many", "compare --setting mnist --num-train 50000 --methods kernel", ""),
    usage("patches on a GPU", "compare --device meta", ""),
]
