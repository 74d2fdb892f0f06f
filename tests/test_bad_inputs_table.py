"""Every bad input of the table is refused in the very words that stand there, before any work."""

import time
from pathlib import Path
from typing import Any

import pytest
from bad_inputs import PLACEHOLDERS, TABLE
from one_bad_input import BadInput, Printed
from torch.optim.optimizer import register_optimizer_step_pre_hook
from unchecked import unchecked

import multiview.train.patch_networks
from multiview.runs import work

SECONDS = 2.0  # of the processor, at most; the first call of a kind imports what it needs
LINES = [(group, line) for group, lines in TABLE.items() for line in lines]


def test_the_table_is_long_and_names_each_line_once():
    assert len(LINES) >= 80
    for group, lines in TABLE.items():
        assert len({line.name for line in lines}) == len(lines), group
        assert len(lines) >= 6, group


@pytest.fixture
def computed(monkeypatch):
    """Whatever is computed: steps of an optimiser, gradients of patch networks, cells."""
    found: list[str] = []

    def noted(owner: Any, name: str) -> None:
        function = getattr(owner, name)

        def call(*args: Any, **given: Any) -> Any:
            found.append(name)
            return function(*args, **given)

        monkeypatch.setattr(owner, name, call)

    noted(multiview.train.patch_networks, "patch_gradient")
    noted(work, "_compute")
    hook = register_optimizer_step_pre_hook(lambda *call: found.append("a step"))
    yield found
    hook.remove()


def contents(folder: Path) -> dict[Path, bytes | None]:
    """All that lies in a folder."""
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.mark.parametrize(("group", "line"), LINES, ids=[f"{g}: {each.name}" for g, each in LINES])
def test_a_bad_input_is_refused_in_these_words_before_any_work(
    group, line: BadInput, tmp_path, monkeypatch, computed
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    line.prepare(tmp_path)
    before = contents(tmp_path)
    computed.clear()
    begin = time.process_time()
    with unchecked():
        said = outcome(line, tmp_path)
    assert time.process_time() - begin < SECONDS
    assert said == expected(line, tmp_path)
    assert computed == []
    assert contents(tmp_path) == before


def outcome(line: BadInput, here: Path) -> str:
    """What is said of a bad input."""
    if line.code is None:
        with pytest.raises(line.error) as error:
            line.call(here)
        assert type(error.value) is line.error
        return str(error.value)
    found = line.call(here)
    assert isinstance(found, Printed)
    assert found.code == line.code
    return found.text


def expected(line: BadInput, here: Path) -> str:
    """What must be said."""
    text = line.message if isinstance(line.message, str) else line.message(here)
    for name, value in {"{here}": str(here), **PLACEHOLDERS}.items():
        text = text.replace(name, value)
    return text
