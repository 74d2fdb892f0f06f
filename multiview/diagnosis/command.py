"""What the command ``multiview diagnose`` does: read networks and samples, and diagnose them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multiview.diagnosis.diagnose import diagnose, settings_of
from multiview.diagnosis.folder import classifiers, nets_in
from multiview.diagnosis.found import Diagnosis, document, grids
from multiview.diagnosis.samples import Samples, check_number, images_of, read_samples
from multiview.runs.grid import Grid

ONE = "name the samples by --data cifar10|cifar100|mnist with --data-dir DIR, or by --samples FILE"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Which samples the networks are asked: test images of a data set, or those of a file."""

    data: str | None = None
    data_dir: Path | None = None
    images: int | None = None
    samples: Path | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if (self.data is None) == (self.samples is None):
            both = "both of" if self.data else "neither"
            raise ValueError(f"data={self.data} and samples={self.samples}, {both}: {ONE}.")
        if self.data is not None and self.data_dir is None:
            raise ValueError(
                f"data_dir=None: {self.data} is read from --data-dir: give the folder that holds "
                "it."
            )
        if self.data is None:
            for name, value in (("images", self.images), ("data_dir", self.data_dir)):
                if value is not None:
                    option = name.replace("_", "-")
                    raise ValueError(
                        f"{name}={value} is about --data: leave --{option} out with --samples."
                    )
        if self.images is not None:
            check_number("images", self.images)

    def read(self) -> Samples:
        """Inputs and labels."""
        if self.samples is not None:
            return read_samples(self.samples)
        assert self.data is not None
        assert self.data_dir is not None
        return images_of(self.data, self.data_dir, self.images, self.seed)


@dataclass(frozen=True, kw_only=True)
class Saved:
    """What was found of the networks of a folder.

    Attributes:
        files: Their names, in the order of ``found.errors``.
    """

    folder: Path
    files: tuple[str, ...]
    found: Diagnosis

    def grids(self) -> list[Grid]:
        """The tables that are printed."""
        return grids(self.found, self.files)

    def document(self) -> dict[str, Any]:
        """The same for programs, as JSON holds it."""
        return {"folder": str(self.folder), **document(self.found, self.files)}


def diagnose_saved(
    folder: Path,
    asked: Asked,
    *,
    sizes: Sequence[int],
    level: float,
    batch_size: int,
    device: str,
) -> Saved:
    """Diagnose the networks saved in a folder, on samples that they were not trained on.

    Args:
        sizes, level, batch_size: As of ``diagnose``.
        device: Where networks and samples are moved.

    Raises:
        ValueError: If folder, samples or settings will not do; before any network is evaluated on
            more than two samples.
        OSError: If a file cannot be read.
    """
    settings_of(sizes, level, batch_size, device)
    nets = nets_in(folder)
    inputs, labels = asked.read()
    where = str(asked.samples or asked.data)
    ready = [net.to(device) for net in classifiers(nets, inputs, labels, where)]
    try:
        found = diagnose(
            ready,
            (inputs, labels),
            sizes=sizes,
            level=level,
            seed=asked.seed,
            batch_size=batch_size,
            device=device,
        )
    except ValueError as error:
        files = list(nets)
        raise ValueError(
            re.sub(r"\bnets\[(\d+)\]", lambda match: files[int(match[1])], str(error))
        ) from error
    return Saved(folder=folder, files=tuple(nets), found=found)
