"""In which order methods are trained, and which of them in one go."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from multiview.bench.method import Method, with_needs

Together = tuple[Method, ...]  # methods that are trained in one go


def groups(
    method: Method, done: Collection[Method], wanted: Sequence[Method], side_by_side: bool
) -> Iterator[Together]:
    """What is to be trained until ``method`` is, each group before the next is asked for.

    Args:
        done: Methods that are trained; whoever trains a group adds it.
        wanted: Methods that may join others.
        side_by_side: Whether methods that may be trained in one go are.
    """
    if method in done:
        return
    for part in method.needs():
        yield from groups(part, done, wanted, side_by_side)
    for part in method.alone():
        if part not in done:
            yield (part,)
    found = [method]
    if side_by_side:
        for other in wanted:
            # Those that build on one of the same kind that is still to be trained wait for it.
            first = [each for each in with_needs([other])[:-1] if each not in done]
            if (
                other not in (method, *done)
                and method.beside(other)
                and not any(method.beside(each) for each in first)
            ):
                for part in other.needs():
                    yield from groups(part, done, wanted, side_by_side)
                found.append(other)
    yield tuple(found)


@dataclass(frozen=True)
class Step:
    """Methods that are trained in one go, and what they take.

    Attributes:
        needs: Numbers of the steps of all methods that these build on, rising.
    """

    methods: Together
    needs: tuple[int, ...]


def schedule(methods: Sequence[Method], side_by_side: bool) -> list[Step]:
    """All that is trained for some methods, in order, as a bench that knows nothing does."""
    wanted = with_needs(methods)
    done: dict[Method, int] = {}  # the number of the step
    steps: list[Step] = []
    for method in methods:
        for group in groups(method, done, wanted, side_by_side):
            first = {
                done[need] for each in group for need in (*each.needs(), *each.alone())
            }  # what these build on in turn stands in the needs of their steps
            needs = first.union(*(steps[number].needs for number in first))
            done |= dict.fromkeys(group, len(steps))
            steps.append(Step(group, tuple(sorted(needs))))
    return steps
