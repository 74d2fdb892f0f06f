"""multiview: why ensembles and distillation work, replicated and measured."""

from multiview.rng import stream

__all__ = ["stream"]
__version__ = "0.1.0"
