"""Images for a script, real or made up: read once, or what is missing said."""

from functools import cache
from pathlib import Path

from multiview import stream
from multiview.data.images import ImageData, load_images
from multiview.data.stand_ins import multi_view_images, view_textures
from multiview.runs.experiment import Context


@cache
def read_once(name: str, data_dir: Path) -> ImageData:
    """A data set, read once for all cells of a process."""
    return load_images(name, data_dir)


def real_images(name: str, context: Context) -> ImageData:
    """The data set, from the run's ``--data-dir``.

    Raises:
        ValueError: If there is no such option, or what it names holds no such data.
    """
    if context.data_dir is None:
        raise ValueError(
            f"--data {name} reads the images from --data-dir: give the folder that holds them "
            "(`multiview data verify DIR` says what is in one)."
        )
    return read_once(name, context.data_dir)


def images_for(name: str, context: Context, *, seed: int, n_train: int, n_test: int) -> ImageData:
    """The data set that a cell draws its images from.

    Args:
        name: "multi_view" is made up for the cell, of this seed and these sizes; all others are
            read whole.

    Raises:
        ValueError: If real images are not there.
    """
    if name != "multi_view":
        return real_images(name, context)
    textures = view_textures(10, stream(seed, "images", "textures"))
    return multi_view_images(textures, n_train, n_test, stream(seed, "images", "made up"))
