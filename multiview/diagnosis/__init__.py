"""What averaging, distillation and self-distillation will gain, from two or three networks.

**Diagnose my networks.** ``diagnose`` takes trained modules and labelled samples that they were not
trained on, or their logits:

>>> import torch
>>> from multiview.diagnosis import diagnose
>>> drawn = torch.Generator().manual_seed(0)
>>> labels = torch.arange(300) % 3
>>> views = torch.nn.functional.one_hot(labels, 3).float()
>>> logits = [views + torch.randn(300, 3, generator=drawn) for _ in range(2)]
>>> found = diagnose(logits, labels, sizes=(10,))
>>> gain = found.predicted("ensemble", 10).gain
>>> gain.low < gain.value < gain.high
True

``print(found)`` shows all of it as tables, and ``found.figure`` draws it. From the command line,
networks of one kind saved into a folder by ``multiview.models.save`` are asked test images, or the
arrays ``inputs`` and ``labels`` of a file ``.npz`` or ``.safetensors``:

    multiview diagnose FOLDER --data cifar10 --data-dir DIR --images 2000
    multiview diagnose FOLDER --samples FILE --sizes 5 10 --json

``kernel_regime`` holds a network against its own tangent kernel. Where views are known, as on
synthetic patches, ``missing_views`` says why a student lacks some.
"""

from multiview.diagnosis.calibration import Calibration, calibration
from multiview.diagnosis.diagnose import diagnose
from multiview.diagnosis.found import Diagnosis
from multiview.diagnosis.missing_views import MissingViews, missing_views, shown_by
from multiview.diagnosis.predict import Interval, Prediction, gain_factor
from multiview.diagnosis.regime import KernelRegime, kernel_regime

__all__ = [
    "Calibration",
    "Diagnosis",
    "Interval",
    "KernelRegime",
    "MissingViews",
    "Prediction",
    "calibration",
    "diagnose",
    "gain_factor",
    "kernel_regime",
    "missing_views",
    "shown_by",
]
