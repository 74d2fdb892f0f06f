"""Methods that come from training samples to a classifier, on any bench that allows them.

**Add a method.** It is a frozen dataclass with ``train``. What it builds on stands in its fields,
and ``bench.trained`` gives what that left, trained once whoever asks. Here networks vote:

>>> from dataclasses import dataclass
>>> from torch.nn.functional import one_hot
>>> from multiview.bench import Classifier, Method
>>> @dataclass(frozen=True, kw_only=True)
... class Vote(Method):
...     of: Method = Members()
...
...     def train(self, bench):
...         members = bench.trained(self.of).logits  # (n, ...) -> (n, K, k)
...
...         def votes(inputs):
...             logits = members(inputs)
...             return one_hot(logits.argmax(2), logits.shape[2]).float().mean(1)
...
...         return Classifier(logits=votes)

It is compared with others on any bench; more settings are in ``bench``, more measures in
``measures``, and ``run`` takes a cell of them and returns its row:

>>> from multiview.bench import Cell, PatchSetting, Sgd, run
>>> from multiview.bench.settings import SGD, SPEC
>>> from multiview.measures import PatchErrors
>>> from multiview.runs.experiment import Context
>>> by_sgd = Sgd(labels=SGD, students=SGD)
>>> setting = PatchSetting(spec=SPEC, num_train=100, members=3, training=by_sgd)
>>> methods = {"one": Members(), "vote": Vote()}
>>> cell = Cell(setting=setting, methods=methods, measures=(PatchErrors(num_test=50),))
>>> sorted(run(cell, Context())["vote"])
['multi', 'single']
"""

from multiview.methods.averaging import (
    Ensemble,
    Group,
    Labels,
    Member,
    Members,
    Neighbours,
    RingEnsembles,
    Summed,
)
from multiview.methods.branched import Branched
from multiview.methods.class_sets import ClassSets, ConfusableSets, RandomSets, ShuffledSets
from multiview.methods.dropout import Dropout, Masks, MaskStudent
from multiview.methods.gates import Gates
from multiview.methods.kernels import KernelModel, Kernels
from multiview.methods.linearised import Linearised, LinearisedModel
from multiview.methods.pruning import Baseline, MagnitudePruned, Reinitialised
from multiview.methods.rocket import Booster, Rocket
from multiview.methods.specialists import Specialists, WithSpecialists
from multiview.methods.students import Student
from multiview.methods.timed import Timed
from multiview.methods.transfer import UnlabelledStudent
from multiview.methods.variant import Bootstrap, OnOwnSamples, TransferSet, Variant

__all__ = [
    "Baseline",
    "Booster",
    "Bootstrap",
    "Branched",
    "ClassSets",
    "ConfusableSets",
    "Dropout",
    "Ensemble",
    "Gates",
    "Group",
    "KernelModel",
    "Kernels",
    "Labels",
    "Linearised",
    "LinearisedModel",
    "MagnitudePruned",
    "MaskStudent",
    "Masks",
    "Member",
    "Members",
    "Neighbours",
    "OnOwnSamples",
    "RandomSets",
    "Reinitialised",
    "RingEnsembles",
    "Rocket",
    "ShuffledSets",
    "Specialists",
    "Student",
    "Summed",
    "Timed",
    "TransferSet",
    "UnlabelledStudent",
    "Variant",
    "WithSpecialists",
]
