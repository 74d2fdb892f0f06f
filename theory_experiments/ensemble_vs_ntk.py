"""Ensembles work differently in networks and in kernels.

One network learns one view of each class and memorises what it misses, so it errs on half of the
single-view samples. Averaging independent networks, or distilling the average into one network,
brings the missing views back; training the sum of the networks as one does not. Neural tangent
kernels choose no features: averaging them helps, summing them helps as much, distilling gives
nothing (Allen-Zhu & Li, arXiv 2012.09816, Figure 1 and Theorems 1-4).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from rich.table import Table
from torch import Tensor

from multiview import stream
from multiview.claims import Claim
from multiview.data import MultiViewSpec, PatchBatch, make_features, sample_patches
from multiview.distill import distillation_objective, hinton_kd, paper_kd
from multiview.ensemble import mean_logits
from multiview.experiment import Context, Experiment, Grid
from multiview.intervals import mean_interval
from multiview.models import PatchNet
from multiview.ntk import patch_net_gram, predict, solve
from multiview.probes import lottery_winners, view_coverage, view_norms, view_signal
from multiview.script import main
from multiview.theory import distractor_probability, single_view_error
from multiview.train import TrainSpec, train_patch_net
from multiview.train.metrics import wrong
