"""The passes between the products: compiled and plain agree, and nothing needs a compiler."""

import logging
import shutil
import subprocess
import sys

import pytest
import torch

from multiview import stream
from multiview.train import compiled
from multiview.train.patch_passes import Compiled, Plain, passes_for
from multiview.train.workspace import Workspace

LIKE = torch.zeros(1)
needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="no compiler here")


@pytest.fixture
def anew():
    """The library is looked for again, and once more afterwards."""
    compiled.library.cache_clear()
    yield
    compiled.library.cache_clear()


@needs_compiler
@pytest.mark.parametrize("residuals", [1, 3, 6])
@pytest.mark.parametrize("n", [1, 15, 16, 50])
@pytest.mark.parametrize("q", [2, 3, 4])
@pytest.mark.parametrize("products", [torch.float32, torch.bfloat16])
def test_both_ways_agree_to_rounding(products, q, n, residuals):
    compiled_passes = passes_for(q, LIKE, products, Workspace())
    assert isinstance(compiled_passes, Compiled)
    plain = Plain(q=q, like=LIKE, workspace=Workspace())
    z = (1.5 * torch.randn(6, 7, n, generator=stream(0, "z"))).to(products)
    residual = torch.randn(residuals, n, generator=stream(0, "residual"))
    (sums, held), (plain_sums, plain_held) = (
        each.activate(z.clone()) for each in (compiled_passes, plain)
    )
    torch.testing.assert_close(sums, plain_sums)
    pulled, plain_pulled = compiled_passes.pull(held, residual), plain.pull(plain_held, residual)
    assert pulled.dtype == products
    # Both round the same float32 numbers, so bfloat16 differs by its last digit where they differ.
    torch.testing.assert_close(pulled, plain_pulled.to(products))


@needs_compiler
def test_bfloat16_is_rounded_to_the_nearest():
    passes = passes_for(2, LIKE, torch.bfloat16, Workspace())
    _, held = passes.activate(torch.ones(1, 1, 4096, dtype=torch.bfloat16))
    residual = torch.randn(1, 4096, generator=stream(0, "residual"))
    pulled = passes.pull(held, residual)
    assert torch.equal(pulled.view(1, -1), residual.bfloat16())


@pytest.mark.parametrize("kind", [torch.float64, torch.bfloat16])
def test_the_derivative_of_a_loss_may_be_of_another_type(kind):
    z, residual = torch.rand(6, 7, 20, generator=stream(0, "z")), torch.rand(6, 20).to(kind)
    pulled = []
    for passes in (
        passes_for(3, LIKE, torch.float32, Workspace()),
        Plain(q=3, like=LIKE, workspace=Workspace()),
    ):
        _, held = passes.activate(z.clone())
        pulled.append(passes.pull(held, residual))
    torch.testing.assert_close(*pulled)


def test_what_is_not_compiled_is_plain():
    for q, weight, products in [
        (2.5, LIKE, torch.float32),
        (3, LIKE.double(), torch.float64),
        (3, LIKE.double(), torch.float32),
    ]:
        assert isinstance(passes_for(q, weight, products, Workspace()), Plain)


def test_a_number_that_is_none_stays_none():
    passes = passes_for(3, LIKE, torch.float32, Workspace())
    z = torch.full((1, 2, 17), 0.5)
    z[0, 1, 3] = torch.nan
    sums, _ = passes.activate(z)
    assert sums.isnan().nonzero().tolist() == [[0, 3]]


def no_home():
    raise RuntimeError("Could not determine home directory.")


@pytest.mark.parametrize(
    "hindrance",
    ["no compiler", "broken compiler", "broken library", "no folder", "no home"],
)
def test_without_a_library_one_line_is_logged_and_training_goes_on(
    anew, monkeypatch, tmp_path, caplog, hindrance
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    if hindrance == "no compiler":
        monkeypatch.setenv("CC", "no-such-compiler")
    if hindrance == "broken compiler":
        monkeypatch.setenv("CC", f"{sys.executable} -c 'raise SystemExit(\"cannot compile\")'")
    if hindrance == "broken library":
        monkeypatch.setattr(compiled, "SOURCE", "this is no C")
    if hindrance == "no folder":
        (tmp_path / "cache").write_text("a file where the folder would be")
    if hindrance == "no home":
        monkeypatch.delenv("XDG_CACHE_HOME")
        monkeypatch.setattr(compiled.Path, "home", no_home)
    with caplog.at_level(logging.WARNING):
        assert isinstance(passes_for(3, LIKE, torch.float32, Workspace()), Plain)
        passes_for(3, LIKE, torch.float32, Workspace())  # says nothing more
    assert len(caplog.records) == 1
    assert len(caplog.records[0].getMessage().splitlines()) == 1
    assert "torch's own operations" in caplog.text
    assert [path for path in tmp_path.rglob("*") if path.name.endswith(".so")] == []


@needs_compiler
def test_an_unknown_processor_is_compiled_for_in_general(anew, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(compiled, "_processor", lambda: "")
    commands = []
    run = subprocess.run
    monkeypatch.setattr(
        subprocess, "run", lambda words, **rest: commands.append(words) or run(words, **rest)
    )
    assert compiled.library() is not None
    assert "-march=native" not in commands[0]
    assert len(list((tmp_path / "multiview").iterdir())) == 1


def test_the_switch_turns_it_off_without_a_word(anew, monkeypatch, caplog):
    monkeypatch.setenv(compiled.SWITCH, "0")
    assert isinstance(passes_for(3, LIKE, torch.float32, Workspace()), Plain)
    assert caplog.records == []


@needs_compiler
def test_what_is_built_is_found_again(anew, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert compiled.library() is not None
    built = list((tmp_path / "multiview").iterdir())
    assert len(built) == 1
    compiled.library.cache_clear()
    monkeypatch.setattr(subprocess, "run", lambda *given, **named: pytest.fail("compiled again"))
    assert compiled.library() is not None
    assert list((tmp_path / "multiview").iterdir()) == built
