"""BiasShift: errors before and after one shift of the logits of classes that a student lacked."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from multiview.bench.bench import Bench
from multiview.bench.method import Classifier
from multiview.distill import best_shift, shifted
from multiview.measures.errors import Row, TestMeasure, errors, module_bench


@dataclass(frozen=True, kw_only=True)
class BiasShift(TestMeasure):
    """Errors before and after one shift of some logits (arXiv 1503.02531, Section 3).

    Of the method ``class_error``, the error on the test samples of these classes alone; under its
    name with "_shifted", ``error`` and ``class_error`` after the ``shift`` of these classes' logits
    that was best on the validation samples.

    Attributes:
        of_method: Name of a method that leaves one network.
        classes: Classes whose logits are shifted, all by the same.
    """

    of_method: str
    classes: tuple[int, ...]

    def of(self, bench: Bench, trained: Mapping[str, Classifier]) -> Row:
        """The method before and after the shift."""
        here, logits = module_bench(bench), trained[self.of_method].logits
        samples = here.samples
        labels, validation_labels = samples.test_labels.cpu(), samples.validation_labels.cpu()
        plain = here.outputs(logits, samples.test)
        shift = best_shift(
            here.outputs(logits, samples.validation), validation_labels, self.classes
        )
        these = torch.isin(labels, torch.tensor(self.classes))

        def found(outputs: Tensor) -> dict[str, float]:
            of_these = errors(outputs[these], labels[these])
            return {"error": float(errors(outputs, labels)), "class_error": float(of_these)}

        after = found(shifted(plain, self.classes, shift)) | {"shift": shift}
        return {self.of_method: found(plain), f"{self.of_method}_shifted": after}
