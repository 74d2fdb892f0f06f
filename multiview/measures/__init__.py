"""What is measured of trained methods."""

from multiview.measures.averages import Averages
from multiview.measures.companions import Companions
from multiview.measures.curves import Curves
from multiview.measures.errors import ErrorsBySize, Pairs, TestErrors
from multiview.measures.gates import Flops, Neurons
from multiview.measures.masks import MaskMeans
from multiview.measures.midway import Midway
from multiview.measures.neurons import StrongestNeurons
from multiview.measures.patches import PatchErrors, Views
from multiview.measures.shift import BiasShift
from multiview.measures.sizes import Parameters, SampleSizes
from multiview.measures.training import TrainErrors
from multiview.measures.varied import Varied

__all__ = [
    "Averages",
    "BiasShift",
    "Companions",
    "Curves",
    "ErrorsBySize",
    "Flops",
    "MaskMeans",
    "Midway",
    "Neurons",
    "Pairs",
    "Parameters",
    "PatchErrors",
    "SampleSizes",
    "StrongestNeurons",
    "TestErrors",
    "TrainErrors",
    "Varied",
    "Views",
]
