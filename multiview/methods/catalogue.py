"""Every method under a short name, for comparisons."""

from functools import partial

from multiview.bench.entry import Entry, adds, averaged, constant, like
from multiview.distill import PaperUpdate, Squares, Standardised
from multiview.methods.averaging import Ensemble, Labels, Member, Members, Summed
from multiview.methods.dropout import Dropout, Masks, MaskStudent
from multiview.methods.gates import Gates
from multiview.methods.kernels import KernelModel, Kernels
from multiview.methods.rocket import Booster, Rocket
from multiview.methods.students import Student

LABELS = partial(Entry, group="labels alone")
AVERAGING = partial(Entry, group="averaging")
STUDENTS = partial(Entry, group="students")
DROPOUT = partial(Entry, group="dropout in training")
ROCKET = partial(Entry, group="rocket launching")
GATES = partial(Entry, group="units behind gates")
KERNELS = partial(Entry, group="tangent kernels")


def kernels(of: Kernels) -> dict[str, Entry]:
    """Kernel models of these networks."""
    model = partial(KernelModel, of=of)
    return {
        "kernel": KERNELS(of, "one kernel"),
        "kernel_ensemble": KERNELS(model(kind="ensemble"), "ensemble"),
        "kernel_summed": KERNELS(model(kind="summed"), "sum", theory=like("kernel_ensemble")),
        "kernel_distilled": KERNELS(
            model(kind="distilled"), "ensemble, distilled", theory=like("kernel")
        ),
    }


CATALOGUE: dict[str, Entry] = {
    "one": LABELS(Members(), "one network", theory=constant(1 / 2)),
    "labels": LABELS(Labels(), "as many steps as students", theory=constant(1 / 2)),
    "ensemble": AVERAGING(Ensemble(), "ensemble", theory=averaged("one")),
    "summed": AVERAGING(Summed(), "trained as a sum", theory=like("one")),
    "hinton": STUDENTS(
        Student(), "of the ensemble, Hinton's loss", theory=adds("ensemble", own="one")
    ),
    "squares": STUDENTS(
        Student(kd_loss=Squares()), "of it, squared logits", theory=adds("ensemble", own="one")
    ),
    "standardised": STUDENTS(
        Student(kd_loss=Standardised()),
        "of it, standardised logits",
        theory=adds("ensemble", own="one"),
    ),
    "paper": STUDENTS(
        Student(kd_loss=PaperUpdate(), weight=5.0),
        "of it, the paper's update",
        theory=adds("ensemble", own="one"),
    ),
    "self": STUDENTS(
        Student(teacher=Member(index=0)), "of one network (self)", theory=adds("one", own="one")
    ),
    "dropout": DROPOUT(Dropout(), "of neurons"),
    "masks": DROPOUT(Masks(of=Dropout()), "mean over its masks", theory=like("dropout")),
    "mask_student": DROPOUT(
        MaskStudent(of=Dropout()), "its masks, distilled", theory=like("dropout")
    ),
    "rocket": ROCKET(Rocket(), "light network", theory=adds("booster", own="one")),
    "booster": ROCKET(Booster(), "its booster", theory=constant(1 / 2)),
    "gates": GATES(Gates(), "labels", theory=constant(1 / 2)),
    "gates_taught": GATES(Gates(teacher=Ensemble()), "of the ensemble"),
    **kernels(Kernels()),
}
# Of two-layer networks at their own start few neurons carry the kernel: wider ones, that start
# larger, spread it.
PATCHES_ONLY: dict[str, Entry] = {
    **kernels(Kernels(width=14, sigma_init=3.0)),
    "patch_dropout": DROPOUT(Dropout(kind="patch", rate=0.5), "of patches", theory=constant(1.0)),
}
