"""What JPEG changes: networks on images as they are, and on the same images compressed again.

``python tests/benchmarks/jpeg_images.py --data-dir DIR [--data cifar10] [--seeds 3]``

The images of the published rows had been through JPEG at quality 98 before they came here, so that
what it took cannot be measured on them. What a further compression takes can be, of each image by
itself and at several qualities. A line a quality says how many of its predictions on test images a
network changes once they are compressed, how many points more it errs on them, and how many points
more a network of the same start and order errs on images as they are if it was trained on
compressed ones. Means and 95% intervals by Student's t over seeds; about 80 seconds a network.
"""

import argparse
import io
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from multiview import stream
from multiview.bench.images import ImageSetting
from multiview.bench.modules import ModuleBench
from multiview.bench.nets import Fast
from multiview.bench.recipe import fast_recipe
from multiview.data.images import ImageData
from multiview.data.splits import Splits, split
from multiview.methods import Member
from multiview.runs.experiment import Context
from multiview.runs.intervals import interval_of
from multiview.runs.memory import keep_freed_memory

QUALITIES = (98, 90, 75)
FIRST_SEED = 10


def compressed(images: Tensor, quality: int) -> Tensor:
    """Images (n, 3, H, W) of bytes as JPEG gives them back, with colours at full resolution."""
    found = torch.empty_like(images)
    for i, image in enumerate(images):
        file = io.BytesIO()
        picture = Image.fromarray(image.permute(1, 2, 0).numpy())
        picture.save(file, "JPEG", quality=quality, subsampling=0)
        found[i] = torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1)
    return found


def all_compressed(data: ImageData, quality: int) -> ImageData:
    """A data set whose images have all been compressed."""
    train, test = (compressed(each, quality) for each in (data.train_images, data.test_images))
    return replace(data, train_images=train, test_images=test)


def splits_of(data: ImageData, setting: ImageSetting, seed: int) -> Splits:
    """The images of a repetition, the same whatever has been done to them."""
    sizes = (setting.num_train, setting.num_validation, setting.num_test)
    return split(data, *sizes, stream(seed, "images", "split"))


def trained(splits: Splits, setting: ImageSetting, seed: int) -> ModuleBench:
    """A bench of these images; its member is trained when it is asked for."""
    return ModuleBench(setting, splits, partial(setting.net.build, splits), seed, Context())


def predictions(bench: ModuleBench, images: Tensor) -> Tensor:
    """The classes that the bench's network calls images."""
    return bench.outputs(bench.trained(Member()).logits, images).argmax(1)


def compare(
    data: ImageData, others: Mapping[int, ImageData], setting: ImageSetting, seed: int
) -> dict[int, tuple[float, ...]]:
    """By quality, in %: predictions that change, errors more of one network, and of one anew."""
    whole = splits_of(data, setting, seed)
    plain = trained(whole, setting, seed)
    before, labels = predictions(plain, whole.test), whole.test_labels
    error = (before != labels).double().mean()
    print(f"seed {seed}: test error {100 * error:.2f}%", flush=True)
    found = {}
    for quality, made in others.items():
        shown = replace(data, test_images=made.test_images)
        after = predictions(plain, splits_of(shown, setting, seed).test)
        other = splits_of(replace(data, train_images=made.train_images), setting, seed)
        anew = predictions(trained(other, setting, seed), other.test)
        shares = ((after != before), *((x != labels).double() - error for x in (after, anew)))
        found[quality] = tuple(100 * float(x.double().mean()) for x in shares)
    return found


def main() -> None:
    """Print a line by quality."""
    parser = argparse.ArgumentParser(description="What JPEG changes.")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--data", default="cifar10")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--num-train", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=10)
    chosen = parser.parse_args()
    keep_freed_memory()
    recipe = fast_recipe(epochs=chosen.epochs)
    setting = ImageSetting(
        data=chosen.data,
        num_train=chosen.num_train,
        num_validation=0,
        num_test=None,
        members=1,
        net=Fast(widths=(32, 64, 64)),
        recipe=recipe,
        students=recipe,
    )
    data = setting.images(0, Context(data_dir=chosen.data_dir))
    seeds = range(FIRST_SEED, FIRST_SEED + chosen.seeds)
    others = {quality: all_compressed(data, quality) for quality in QUALITIES}
    found = [compare(data, others, setting, seed) for seed in seeds]
    for quality in QUALITIES:
        columns = np.array([each[quality] for each in found]).T
        said = []
        for values in columns:
            mean, low, high, _ = interval_of(values)
            said.append(f"{mean:.2f} [{low:.2f}, {high:.2f}]")
        print(
            f"quality {quality}: {said[0]}% of the predictions change; the network errs {said[1]} "
            f"points more on compressed test images, one trained on compressed images {said[2]} "
            f"on images as they are; n = {len(found)}"
        )


if __name__ == "__main__":
    main()
