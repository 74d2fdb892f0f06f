"""How large samples and networks are."""

from collections.abc import Mapping
from dataclasses import dataclass

from multiview.bench.bench import Bench
from multiview.bench.method import Classifier
from multiview.measures.errors import Row, TestMeasure, module_bench


@dataclass(frozen=True, kw_only=True)
class SampleSizes(TestMeasure):
    """Under the name "data": ``train_images``, their number, and ``pixels``, the side of each."""

    def of(self, bench: Bench, trained: Mapping[str, Classifier]) -> Row:
        """The size of the samples that all methods share."""
        train = module_bench(bench).samples.train
        return {"data": {"train_images": len(train), "pixels": train.shape[-1]}}


@dataclass(frozen=True, kw_only=True)
class Parameters(TestMeasure):
    """``parameters``, how many numbers each network has learned, where a method leaves one."""

    def of(self, bench: Bench, trained: Mapping[str, Classifier]) -> Row:
        """The size of each method's network."""
        return {
            name: {"parameters": sum(weight.numel() for weight in each.net.parameters())}
            for name, each in trained.items()
            if each.net is not None
        }
