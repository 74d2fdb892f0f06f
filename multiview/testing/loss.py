"""check_distillation_loss: whether a loss is Hinton's, law by law."""

from collections.abc import Sequence

from multiview import checks
from multiview.testing.check import conformance, selected
from multiview.testing.finding import Conformance
from multiview.testing.loss_divergence import DIVERGENCE
from multiview.testing.loss_invariance import INVARIANCE
from multiview.testing.loss_precision import PRECISION
from multiview.testing.loss_probe import Loss, LossProbe, check_loss
from multiview.testing.loss_scale import SCALE

EVERY = (*SCALE, *DIVERGENCE, *INVARIANCE, *PRECISION)
LOSS_CHECKS = tuple(check.name for check in EVERY)
MOST = 1000  # samples and classes; more tell no more


def check_distillation_loss(
    loss: Loss,
    *,
    only: Sequence[str] | None = None,
    skip: Sequence[str] = (),
    num_samples: int = 8,
    num_classes: int = 6,
    seed: int = 0,
) -> Conformance:
    """Check that ``loss`` is T^2 KL(teacher || student), averaged over the samples.

    That is Hinton's distillation loss (arXiv 1503.02531, Section 2), which has these laws, each a
    check by itself; a failure names the bug that it usually stands for, how to mend it, and public
    reports of it, such as HikariTJU/LD#74 (a mean over classes), IntelLabs/distiller#122 (no T^2),
    paiml/aprender#2153 (arguments swapped) and microsoft/ProDA#20 (a logarithm missing).

    - ``batch_mean``, ``class_sum``: an average over samples and a sum over classes.
    - ``temperature_squared``: the gradient's size does not depend on T where T is large.
    - ``hot_limit``: its limit is the gradient of sum_i (d_i - mean d)^2 / 2k, d the difference of
      the logits and k the number of classes.
    - ``zero_at_equal_logits``, ``least_at_equal_logits``: no loss and no gradient without a
      difference.
    - ``direction``: a student pays for classes that it lacks, not for those that it adds.
    - ``softmax_once``: softmax is taken of logits, not of probabilities.
    - ``shift_invariance``: constants added to a sample's logits change nothing.
    - ``teacher_gradient``: the teacher gets none.
    - ``sample_order``: samples that are permuted together give the same.
    - ``half_precision``, ``large_logits``: values and gradients are near the exact ones with
      logits in bfloat16 and float16, and neither overflow nor vanish with large ones.

    A loss of another kind, on purpose, breaks some of them: cross-entropy with soft labels
    ``zero_at_equal_logits``; one without T^2 ``temperature_squared`` and ``hot_limit``; a matching
    of logits several. Name those in ``skip``.

    Args:
        loss: ``loss(student_logits, teacher_logits, temperature)``, of logits (n, k) of floating
            point and a number T > 0, called with these three in this order. It returns the loss of
            the batch, a tensor without axes.
        only: Names from ``LOSS_CHECKS``; by default all.
        skip: Names of checks to leave out.
        num_samples: n of the random logits, from 2 on.
        num_classes: k, from 3 on.
        seed: Of the random logits.

    Returns:
        What every check found; an error that the loss raises within a check is its failure.

    Raises:
        ValueError: If an argument is out of range; or, before any check, if the loss cannot be
            called so, raises an error, returns other than one finite number, or gives the student
            no gradient.
    """
    checks.function("loss", loss)
    picked = selected(EVERY, only, skip)
    num_samples = checks.count("num_samples", num_samples, 2, MOST)
    num_classes = checks.count("num_classes", num_classes, 3, MOST)
    seed = checks.count("seed", seed, 0, meaning="is a seed")
    probe = LossProbe(loss, num_samples, num_classes, seed)
    check_loss(probe)
    return conformance(loss, picked, probe)
