"""What learns a task of the negative control: plain networks, and the paper's."""

from collections.abc import Callable

from torch import Tensor

from multiview import stream
from multiview.train import fit, train_patch_net
from theory_experiments._contrast import Progress
from theory_experiments._gaussian_tasks import Samples, TaskCell, new_networks
from theory_experiments._learners import FAMILIES, members_cross_entropy
from theory_experiments._patch_nets import new_nets

LEARNERS = (*FAMILIES, "smoothed")  # the last is the paper's PatchNet


def learn(
    cell: TaskCell, learner: str, train: Samples, progress: Progress
) -> Callable[[Tensor], Tensor]:
    """Train all members of one learner.

    Returns:
        Function from patches (n, P, d) to logits (n, members, k), without a graph.
    """
    if learner == "smoothed":
        start = new_nets(cell, learner, cell.members, patch_dim=train.patches.shape[2])
        net = train_patch_net(start, train.patches, train.labels, cell.train, progress=progress).net
    else:
        generator = stream(cell.seed, "init", learner)
        net = new_networks(cell, learner, cell.members, cell.hidden, generator)
        loss, order = members_cross_entropy(train.labels), stream(cell.seed, "order")
        fit(net, train.patches, loss, cell.optim, order, progress=progress)
    return net.requires_grad_(False)
