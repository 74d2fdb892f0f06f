"""The restricted unpickler builds plain containers and arrays of numbers, and runs nothing."""

import contextlib
import os
import pickle
import signal
import struct
import time
import tracemalloc
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_images import batch, python2_pickle
from unchecked import unchecked

from multiview.data.pickles import RefusedPickle, load_plain_pickle


class Calls:
    """Pickles as a call, as an attacker would write it."""

    def __init__(self, function, *arguments) -> None:
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def assert_same(left: dict, right: dict) -> None:
    assert left.keys() == right.keys()
    for key, value in right.items():
        np.testing.assert_array_equal(left[key], value)


@pytest.mark.parametrize(
    "dump", [python2_pickle, *((lambda value, p=p: pickle.dumps(value, p)) for p in (2, 3, 4))]
)
def test_reads_a_batch_whoever_wrote_it(dump):
    expected = batch([3, 1, 4], seed=0)
    found = load_plain_pickle(dump(expected))
    assert_same(found, expected)
    assert found[b"data"].dtype == np.uint8


def test_reads_text_arrays_of_any_number_and_either_memory_order():
    value = {
        "é": "text",
        "big-endian": np.arange(6, dtype=">i4").reshape(2, 3),
        "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    }
    assert_same(load_plain_pickle(pickle.dumps(value, 2)), value)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
def test_os_system_is_refused_by_name_and_not_run(tmp_path, protocol):
    trace = tmp_path / "trace"
    value = {b"data": Calls(os.system, f"touch {trace}")}
    with pytest.raises(RefusedPickle, match=r"asks for (posix|nt)\.system"):
        load_plain_pickle(pickle.dumps(value, protocol))
    assert not trace.exists()


@pytest.mark.parametrize(
    "value",
    [
        Calls(eval, "1"),
        Calls(getattr, "", "join"),
        Calls(np.load, "x", None, True),
        OrderedDict(a=1),
        np.float64(1.0),
        np.array([None]),
        np.zeros(2, [("a", "i4")]),
        np.array(["text"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_other_name_or_type_is_refused(value):
    with pytest.raises(RefusedPickle):
        load_plain_pickle(pickle.dumps({"data": value}, 2))


@pytest.mark.parametrize("value", [1.5, None, True, (1, 2), {1}, {"nested": [0.5]}])
def test_types_no_image_file_needs_are_refused(value):
    with pytest.raises(RefusedPickle, match=r"the pickle (holds|asks)"):
        load_plain_pickle(pickle.dumps(value, 2))


def test_a_list_that_contains_itself_is_refused():
    value: list = []
    value.append(value)
    with pytest.raises(RefusedPickle, match="nests"):
        load_plain_pickle(pickle.dumps(value, 2))


def test_a_file_cannot_alter_what_a_name_stands_for():
    setattr_on_reconstruct = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nN}U\x01xK\x01s\x86b."
    with pytest.raises(RefusedPickle, match="alters"):
        load_plain_pickle(setattr_on_reconstruct)


def test_an_array_shorter_than_its_shape_is_refused():
    content = pickle.dumps({"data": np.zeros((4, 5), np.uint8)}, 4)
    assert content.count(b"K\x04K\x05\x86") == 1
    with pytest.raises(RefusedPickle, match=r"has 20 bytes, not 30"):
        load_plain_pickle(content.replace(b"K\x04K\x05\x86", b"K\x06K\x05\x86"))


def test_every_truncation_is_one_error():
    content = python2_pickle({b"labels": [1, 2], b"data": np.zeros((2, 3), np.uint8)})
    load_plain_pickle(content)
    for end in range(len(content)):
        with pytest.raises(RefusedPickle):
            load_plain_pickle(content[:end])


def test_a_small_file_cannot_reserve_much_memory():
    with pytest.raises(RefusedPickle, match="reserves memory"):
        load_plain_pickle(b"\x80\x02]r\xff\xff\xff\xff.")


def test_damage_never_escapes_as_another_error():
    content = python2_pickle({b"labels": [1, 2], b"data": np.zeros((2, 3), np.uint8)})
    rng = np.random.default_rng(0)
    for _ in range(3000):
        damaged = bytearray(content)
        for _ in range(rng.integers(1, 4)):
            damaged[rng.integers(len(damaged))] = rng.integers(256)
        with contextlib.suppress(RefusedPickle):
            load_plain_pickle(bytes(damaged))


@contextlib.contextmanager
def little_time_and_memory(seconds=30, megabytes=300):
    """Within, both are bounded; what takes for ever fails instead of hanging.

    By the clock of the process, for others may keep the machine busy.
    """

    def late(*_):
        raise TimeoutError(f"more than {seconds} s")  # no Exception may swallow it below

    before = signal.signal(signal.SIGVTALRM, late)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    tracemalloc.start()
    begin = time.process_time()
    try:
        with unchecked():
            yield
        assert time.process_time() - begin < seconds
        assert tracemalloc.get_traced_memory()[1] < megabytes * 2**20
    finally:
        tracemalloc.stop()
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def text(value, code=b"X"):
    return code + struct.pack("<I", len(value)) + value


def long4(value):
    data = value.to_bytes(value.bit_length() // 8 + 1, "little")
    return b"\x8b" + struct.pack("<i", len(data)) + data


def array_state(shape, data):
    """An array whose state is these opcodes."""
    dtype = b"cnumpy\ndtype\n" + text(b"u1") + b"\x85R(K\x03" + text(b"|") + b"NNNK\xffK\xffK\x00tb"
    return (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85"
        + text(b"b")
        + b"\x87R(K\x01"
        + shape
        + dtype
        + b"\x89"
        + data
        + b"tb."
    )


def repeated_references(levels, width):
    """Lists of ``width`` references to the list one level below."""
    levels = [b"]q%c(" % i + b"h%c" % (i - 1) * width + b"e" for i in range(1, levels + 1)]
    return b"\x80\x02]q\x00" + b"".join(levels) + b"."


def colliding_keys(count):
    """A dict whose integer keys all have the hash 0."""
    items = b"".join(long4((i + 1) * (2**61 - 1)) + b"N" for i in range(count))
    return b"\x80\x02}(" + items + b"u."


def key_of_tuples(levels):
    """A dict with a key whose hash takes 2**levels steps."""
    steps = b"".join(b"h%c" % i + b"h%c" % i + b"\x86q%c" % (i + 1) for i in range(levels))
    return b"\x80\x02}(K\x01\x85q\x00" + steps + b"Nu."


BOMBS = {
    "references": repeated_references(6, 200),
    "colliding keys": colliding_keys(60_000),
    "a key of tuples": key_of_tuples(60),
    "a name of tuples": key_of_tuples(60)[:-3] + text(b"a") + b"\x93.",
    "deep": b"\x80\x02" + b"]" * 20_000 + b"a" * 19_999 + b".",
    "deep tuples": b"\x80\x02N" + b"\x85" * 20_000 + b".",
    "many lists": b"\x80\x02]" + b"]a" * 5_000_000 + b".",
    "many sets": b"\x80\x04](" + b"\x8f" * 5_000_000 + b"e.",
    "duplicates": b"\x80\x02](N" + b"2" * 5_000_000 + b"e.",
    "a dict in itself": b"\x80\x02}q\x00K\x01h\x00s.",
    "a long string": b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"x.",
    "a long text": b"\x80\x04\x8d" + struct.pack("<Q", 2**40) + b"x.",
    "a long array": b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"x.",
    "a long integer": b"\x80\x02" + long4(1 << 8_000_000) + b".",
    "bytes by their number": array_state(long4(2**40) + b"\x85", long4(2**40)),
    "a shape": array_state(long4(2**62) + b"\x85", text(b"x", b"B")),
    "long sizes": array_state(b"(" + long4(1 << 4_000_000) * 40 + b"t", text(b"", b"B")),
    "many axes": array_state(b"(" + b"K\x01" * 10_000 + b"t", text(b"x", b"B")),
    "text of numbers": array_state(text(b"x"), text(b"x", b"B")),
    "encoded again and again": b"\x80\x02](c_codecs\nencode\nq\x00"
    + text(b"x" * 10**6)
    + b"q\x01"
    + b"h\x00h\x01\x85R" * 5000
    + b"e.",
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_a_file_made_to_take_for_ever_is_refused_at_once(bomb):
    with little_time_and_memory(), pytest.raises(RefusedPickle) as refusal:
        load_plain_pickle(bomb)
    assert "TimeoutError" not in str(refusal.value)
    assert len(str(refusal.value)) < 1000
    assert "\n" not in str(refusal.value)


def test_a_frame_longer_than_the_file_reserves_nothing():
    with little_time_and_memory():
        assert load_plain_pickle(b"\x80\x04\x95" + struct.pack("<Q", 2**62) + b"K\x01.") == 1


def test_shared_objects_are_read_as_often_as_they_are_named():
    labels = [1, 2]
    assert load_plain_pickle(pickle.dumps([labels, labels], 2)) == [[1, 2], [1, 2]]
    assert load_plain_pickle(repeated_references(1, 3)) == [[], [], []]


@given(st.binary(max_size=60))
@settings(max_examples=500)
def test_no_bytes_whatever_are_another_error(content):
    with little_time_and_memory(2), contextlib.suppress(RefusedPickle):
        load_plain_pickle(content)


def test_the_largest_official_file_is_within_the_limits():
    """The training file of CIFAR-100, but for its pixels, as Python 3 writes it at protocol 2."""
    labels = [i % 100 for i in range(50_000)]
    names = [b"image_s_%06d.png" % i for i in labels]
    value = {b"fine_labels": labels, b"coarse_labels": labels[::-1], b"filenames": names}
    with little_time_and_memory():
        for content in (python2_pickle(value), pickle.dumps(value, 2)):
            assert load_plain_pickle(content) == value
