"""Seconds to train an ensemble of FastNets on CIFAR-10, and what it reaches.

``python tests/benchmarks/fast_ensemble.py --data-dir DIR [--device cuda --preset paper]``

The members of the preset's first repetition of ``cifar_ensembles --net fast``, and nothing else.
The anchor: speed recipes reach 94% with one network in about 3 seconds of an A100 (arXiv
2404.00498), on all 50,000 images; the target is ten networks of 94% in 60 s on one H200.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import torch
from theory_experiments._image_ensembles import errors_of

from multiview import stream
from multiview.data.splits import split
from multiview.ensemble import mean_logits
from multiview.runs.experiment import Context
from multiview.train.loop import target_loss
from theory_experiments._contrast import error
from theory_experiments._image_nets import train_group
from theory_experiments._parts import images_of
from theory_experiments.cifar_ensembles import PRESETS


def main() -> None:
    """Print seconds and accuracies."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--preset", choices=PRESETS, default="laptop")
    parser.add_argument("--members", type=int)
    given = parser.parse_args()
    cell = replace(PRESETS[given.preset]("fast"), data="cifar10")
    number = given.members or cell.members
    context = Context(device=given.device, data_dir=given.data_dir)
    sizes = (cell.num_train, cell.num_validation, cell.num_test)
    drawn = stream(cell.seed, "images", "split")
    splits = split(images_of(cell, context), *sizes, drawn, given.device)
    nets = [cell.net.build(splits, stream(cell.seed, "init", "members", i)) for i in range(number)]
    loss = target_loss(splits.train_labels)
    begin = time.perf_counter()
    group = train_group(
        "members", nets, cell.recipe, splits, lambda part: loss, seed=cell.seed, context=context
    )  # ends with outputs on the CPU, so a GPU has done its work
    seconds = time.perf_counter() - begin
    labels = splits.test_labels.cpu()
    each = torch.tensor(errors_of(group.test, labels))
    print(
        f"{number} FastNets {cell.net}, {cell.num_train:,} images, {cell.recipe.optim.epochs} "
        f"epochs on {given.device}: {seconds:.1f} s; accuracy of one {100 - 100 * each.mean():.2f}"
        f" ± {100 * each.std():.2f}%, of the ensemble "
        f"{100 - 100 * error(mean_logits(group.test), labels):.2f}% of {cell.num_test:,} images"
    )


if __name__ == "__main__":
    main()
