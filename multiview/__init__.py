"""multiview: why ensembles and distillation work, replicated and measured.

The multi-view theory (Allen-Zhu & Li, arXiv 2012.09816) says that each class can be recognised by
several features, its *views*, of which one network learns about one; that an ensemble has more of
them, and that one network can be taught these. What to look for, and where:

**How to**

- compare methods on your data, by your network: `multiview.comparison.compare`
- learn from two or three networks what an ensemble would gain: `multiview.diagnosis`
- distil any module: `multiview.distill`
- check a distillation loss or training step: `multiview.testing`
- take the tangent kernel of any module: `multiview.ntk`
- put a network behind L0 gates: `multiview.sparsity`
- save a network without pickle: `multiview.models`
- add a method: `multiview.methods`
- use samples of your own in an experiment: `multiview.data`
- add an experiment: `multiview.runs`

Wherever a ``generator`` is asked for, an integer will do: the seed of a stream for that purpose, so
that features and samples, say, are drawn independently from one seed. A generator goes on from call
to call; an integer draws the same again, so that training and test samples take two.

**What there is**

- samples and networks: `multiview.data`, `multiview.models`
- training: `multiview.train`, `multiview.ensemble`, `multiview.distill`, `multiview.sparsity`
- kernels: `multiview.ntk`
- what a network has learned: `multiview.probes`; what the theory says of it: `multiview.theory`
- methods that are compared, and how: `multiview.bench`, `multiview.methods`, `multiview.measures`
- stored results as tables: `multiview.results`; randomness by name: `multiview.rng`
"""

from multiview.rng import stream

__all__ = ["stream"]
__version__ = "0.1.0"
