"""Store, leases and artefacts under every order of events: holders, deaths, clocks and damage.

Three holders on two machines, where a number means two processes, and one clock of the file system.
"""

import itertools
import os
import warnings

import pytest
import torch
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule
from store_world import World

from multiview.runs import work
from multiview.runs.leases import PATIENCE, claim, count_deaths, is_held
from multiview.runs.rows import DamagedRow, read_row, row_path

HOLDERS = st.sampled_from(range(3))
CELLS = st.sampled_from(range(2))
SECONDS = st.sampled_from([0.5, 5.0, PATIENCE - 1, PATIENCE + 1, 1e5])
COMPUTING = precondition(lambda self: any(holder.held for holder in self.holders))


def doubtful_in(cell):
    """Whether a holder has this cell and was taken for dead."""
    return lambda holder: bool(holder.held) and holder.held[0] == cell and holder.doubtful


class Machine(World):
    """What may happen, and what then must be so."""

    @precondition(lambda self: any(not holder.held for holder in self.holders))
    @rule(which=HOLDERS, cell=CELLS)
    def take(self, which, cell):
        holder = self.one(which, busy=False)
        free = not any(self.jobs[cell].lease.parent.glob(f"{self.jobs[cell].key}.*"))
        with self.being(holder):
            lease = claim(self.jobs[cell].lease)
        if lease is None:
            assert not free
            return
        assert not self.living(cell)
        if self.counted[cell]:
            assert lease.deaths == self.deaths[cell]
        holder.held, holder.doubtful, holder.beat = (cell, lease), False, self.clock

    def beat(self, holder):
        path = holder.held[1].path
        with self.being(holder):
            holder.held[1].beat()
        if path.exists():
            os.utime(path, (self.clock, self.clock))
        holder.beat = self.clock

    @COMPUTING
    @rule(which=HOLDERS)
    def die(self, which):
        holder = self.one(which)
        self.alive.discard((holder.machine, holder.process))
        cell, lease = holder.held
        self.deaths[cell] += 1
        self.counted[cell] &= not holder.doubtful and lease.path.exists()
        self.renew(holder)

    @COMPUTING
    @rule(which=HOLDERS, forgive=st.booleans())
    def release(self, which, forgive):
        """As an exception in the cell does, or a Ctrl-C."""
        holder = self.one(which)
        with self.being(holder):
            holder.held[1].release(forgive)
        self.let_go(holder, forgive)

    def let_go(self, holder, forgive):
        cell, _ = holder.held
        if forgive and not holder.doubtful:
            self.deaths[cell] = 0
        self.counted[cell] &= not holder.doubtful
        if not any(self.jobs[cell].lease.parent.glob(f"{self.jobs[cell].key}.*")):
            self.deaths[cell], self.counted[cell] = 0, True
        holder.held, holder.doubtful = None, False

    @COMPUTING
    @rule(which=HOLDERS)
    def finish(self, which):
        """Compute the cell that is held and store its row, as ``work`` does."""
        holder = self.one(which)
        cell, lease = holder.held
        with self.being(holder):
            outcome = work._compute(self.jobs[cell], lease)
            lease.release()
        self.let_go(holder, forgive=True)
        if cell in self.written:
            assert (outcome.status, outcome.computed) == ("ok", False)
        elif outcome.status == "ok":
            self.note(cell)
        else:
            assert (outcome.status, lease.deaths >= work.MOST_DEATHS) == ("lost", True)
            self.damaged.discard(cell)

    @rule(cell=CELLS, which=HOLDERS)
    def lose(self, cell, which):
        """As the sweep does after a third death; a result that is there stays."""
        if not self.holders[which].held and not self.living(cell):
            with self.being(self.holders[which]):
                if count_deaths(self.jobs[cell].lease) < work.MOST_DEATHS:
                    return
                outcome = work.lose(self.jobs[cell], "three deaths")
                if outcome.status == "lost":
                    self.damaged.discard(cell)
                    self.deaths[cell], self.counted[cell] = 0, True
                elif outcome.status == "ok":
                    assert cell in self.written
                else:
                    assert outcome.status == "busy"

    @rule(seconds=SECONDS, back=st.booleans())
    def pass_time(self, seconds, back):
        """The clock of the file system goes on, or is set back."""
        self.clock += -seconds if back else seconds
        for holder in self.holders:
            if holder.held and abs(self.clock - holder.beat) > PATIENCE:
                self.doubt(holder)

    @rule()
    def all_beat_for_long(self):
        """All who live beat, and of who died on another machine everybody knows at last."""
        for seconds in (0.0, PATIENCE - 1, PATIENCE - 1):
            self.pass_time(seconds, back=False)
            for holder in filter(lambda holder: holder.held, self.holders):
                self.beat(holder)
        for cell, observer in itertools.product(range(2), self.holders):
            with self.being(observer):
                if self.counted[cell]:
                    assert count_deaths(self.jobs[cell].lease) == self.deaths[cell]
                if self.counted[cell] and not any(map(doubtful_in(cell), self.holders)):
                    assert is_held(self.jobs[cell].lease) == bool(self.living(cell))

    @rule(
        cell=CELLS,
        arrays=st.booleans(),
        place=st.floats(0, 1, exclude_max=True),
        bit=st.none() | st.integers(0, 7),
    )
    def damage_row(self, cell, arrays, place, bit):
        if cell in self.written:
            path = row_path(self.jobs[cell].directory, self.jobs[cell].key)
            self.damage(path.with_suffix(".npz") if arrays else path, place, bit)
            del self.written[cell]
            self.damaged.add(cell)

    @COMPUTING
    @rule(which=HOLDERS, place=st.floats(0, 1, exclude_max=True), bit=st.none() | st.integers(0, 7))
    def damage_lease(self, which, place, bit):
        """One that is cut is of a stranger; a flipped bit may name another process."""
        holder = self.one(which)
        if holder.held[1].path.exists():
            path = holder.held[1].path
            self.damage(path, place, bit)
            os.utime(path, (holder.beat, holder.beat))
            if bit is not None:
                self.doubt(holder)

    @rule(
        which=HOLDERS,
        place=st.none() | st.floats(0, 1, exclude_max=True),
        bit=st.none() | st.integers(0, 7),
    )
    def use_artefact(self, which, place, bit):
        """Computed, or read, after some damage; the tensors are the same."""
        path = self.artefacts.path({"seed": 0})
        if place is not None and path.exists():
            self.damage(path, place, bit)
        computed = []

        def compute():
            computed.append(1)
            return {"weights": torch.arange(6.0).reshape(2, 3), "none": torch.zeros(0)}

        fresh = path.exists() and place is None
        with self.being(self.holders[which]), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = self.artefacts({"seed": 0}, compute)
        assert torch.equal(found["weights"], torch.arange(6.0).reshape(2, 3))
        assert set(found) == {"weights", "none"}
        assert not (fresh and computed)
        assert not caught or computed

    @invariant()
    def one_holder_at_most(self):
        for cell in range(2):
            assert len(self.living(cell)) <= 1

    @invariant()
    def rows_stay_and_damage_is_noticed(self):
        for cell, job in enumerate(self.jobs):
            path = row_path(job.directory, job.key)
            if cell in self.written:
                assert self.look(path) == self.written[cell]
                assert read_row(path)["status"] == "ok"
            elif cell in self.damaged:
                with pytest.raises(DamagedRow):
                    read_row(path)
            elif path.exists():
                assert read_row(path)["status"] == "lost"

    @invariant()
    def nothing_is_left_of_writes(self):
        assert not list(self.out.rglob(".*.tmp"))


Machine.TestCase.settings = settings(stateful_step_count=40)
TestStore = Machine.TestCase
