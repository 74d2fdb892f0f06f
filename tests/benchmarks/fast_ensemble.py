"""Seconds to train an ensemble of FastNets on CIFAR-10, and what it reaches.

``python tests/benchmarks/fast_ensemble.py --data-dir DIR [--device cuda --preset paper]``

The members of a repetition of ``cifar_ensembles --net fast``, and nothing else.
The anchor: speed recipes reach 94% with one network in about 3 seconds of an A100 (arXiv
2404.00498), on all 50,000 images; the target is ten networks of 94% in 60 s on one H200.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import torch

from multiview.ensemble import mean_logits
from multiview.measures.errors import errors
from multiview.methods import Members
from multiview.runs.experiment import Context
from theory_experiments import cifar_ensembles

PRESETS = {"smoke": cifar_ensembles.smoke, "laptop": cifar_ensembles.laptop}
PRESETS |= {"long": cifar_ensembles.long, "paper": cifar_ensembles.paper}


def main() -> None:
    """Print seconds and accuracies."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--preset", choices=PRESETS, default="laptop")
    parser.add_argument("--members", type=int)
    given = parser.parse_args()
    setting = replace(PRESETS[given.preset]("fast"), data="cifar10")
    number = given.members or setting.members
    bench = setting.bench(0, Context(device=given.device, data_dir=given.data_dir))
    begin = time.perf_counter()
    members = bench.trained(Members(number=number))
    outputs = bench.outputs(members.logits, bench.samples.test)  # a GPU has done its work by then
    seconds = time.perf_counter() - begin
    labels = bench.samples.test_labels.cpu()
    each, together = errors(outputs, labels), float(errors(mean_logits(outputs), labels))
    spread = 100 * torch.std(each)
    print(
        f"{number} FastNets {setting.net}, {len(bench.labels):,} images, "
        f"{setting.recipe.optim.epochs} epochs on {given.device}: {seconds:.1f} s; accuracy of one "
        f"{100 - 100 * each.mean():.2f} ± {spread:.2f}%, of the ensemble "
        f"{100 - 100 * together:.2f}% of {len(labels):,} images"
    )


if __name__ == "__main__":
    main()
