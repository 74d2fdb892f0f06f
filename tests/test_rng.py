import inspect
from enum import IntEnum, StrEnum

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import seeds

from multiview import stream

names = st.lists(st.integers() | st.text(), max_size=4)


def first_draws(generator: torch.Generator, n: int = 4) -> list[int]:
    return torch.randint(2**32, (n,), generator=generator).tolist()


@pytest.mark.parametrize(
    ("arguments", "draws"),
    [
        ((0,), [1290910885, 1033129011]),
        ((0, "init"), [436556454, 3997946971]),
        ((0, "init", 3), [927622428, 3893742672]),
        ((-(2**70), "é", "1", 1), [1764275583, 796435685]),
    ],
)
def test_streams_never_change(arguments, draws):
    assert first_draws(stream(*arguments), 2) == draws


@given(seeds(), names)
def test_the_same_arguments_give_the_same_stream(seed, names):
    assert first_draws(stream(seed, *names)) == first_draws(stream(seed, *names))


@given(seeds(), names, seeds(), names)
def test_other_arguments_give_another_stream(seed, names, other_seed, other_names):
    # Seeds have 32 bits, so a false alarm has probability 2e-10 per example.
    same = (seed, names) == (other_seed, other_names)
    drawn, other = stream(seed, *names), stream(other_seed, *other_names)
    assert (first_draws(drawn) == first_draws(other)) == same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((0, 1), (0, "1")),
        ((0, "a", "b"), (0, "ab")),
        ((0, "a", "b"), (0, "b", "a")),
        ((0, "a', 'b"), (0, "a", "b")),
        ((0, 'a", "b'), (0, "a", "b")),
        ((0, 1), (1, 0)),
        ((0,), (0, "")),
        ((0, 12), (0, 1, 2)),
    ],
)
def test_names_that_look_alike_differ(one, other):
    assert first_draws(stream(*one)) != first_draws(stream(*other))


def test_an_enum_member_names_the_stream_of_its_value():
    class Method(StrEnum):
        ADAPTIVE = "adaptive"

    class Member(IntEnum):
        FIRST = 1

    named = stream(0, Method.ADAPTIVE, Member.FIRST)
    assert first_draws(named) == first_draws(stream(0, "adaptive", 1))


def test_a_stream_neither_reads_nor_moves_torchs_global_generator():
    before = torch.get_rng_state()
    first_draws(stream(0, "x"))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("arguments", [("0",), (0.0,), (True,), (None, "a")])
def test_a_seed_that_is_no_integer_is_refused(arguments):
    with pytest.raises(TypeError, match=r"seed must be an integer, got .*: use int"):
        inspect.unwrap(stream)(*arguments)


@pytest.mark.parametrize("name", [1.5, None, True, b"a", ("a",)])
def test_a_name_that_is_neither_string_nor_integer_is_refused(name):
    with pytest.raises(TypeError, match=r"name is a string or an integer, got "):
        inspect.unwrap(stream)(0, "init", name)
