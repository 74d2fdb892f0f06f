"""Signals: a program stops once; what must not be interrupted is not."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from multiview.runs.signals import Stopped, stopped_once, uninterrupted


def send(number):
    """To this thread: what ``os.kill`` sends may reach another one, and the main one later."""
    signal.raise_signal(number)


@pytest.fixture(autouse=True)
def handlers():
    """Whatever a test does, the handlers are as before it."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    yield
    assert [signal.getsignal(number) for number in numbers] == before
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_only_the_first_signal_stops(number):
    ended = []

    @stopped_once()
    def program():
        try:
            send(number)
        finally:
            send(signal.SIGINT)
            send(signal.SIGTERM)
            ended.append("in order")

    with pytest.raises(Stopped) as stopped:
        program()
    assert ended == ["in order"]
    assert stopped.value.number == number


def test_an_ignored_signal_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stopped_once():
            send(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_signal_waits_until_it_may_interrupt():
    done = []

    @stopped_once()
    def program():
        with uninterrupted():
            send(signal.SIGTERM)
            send(signal.SIGINT)
            done.append("within")
        done.append("after")

    with pytest.raises(Stopped) as stopped:
        program()
    assert done == ["within"]
    assert stopped.value.number == signal.SIGTERM


def test_what_is_started_does_not_see_ctrl_c():
    code = "import os, signal; os.kill(os.getpid(), signal.SIGINT); print('goes on')"
    with uninterrupted():
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("goes on\n", "")


def test_other_threads_are_not_in_the_way():
    failed = []

    def use():
        try:
            with stopped_once(), uninterrupted():
                pass
        except ValueError as error:
            failed.append(error)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert failed == []


@pytest.mark.parametrize("arguments", [["--help"], ["list"]])
def test_a_closed_pipe_is_no_traceback(arguments):
    command = [sys.executable, "-m", "multiview", *arguments]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")
