"""The commit that holds the package's source, so that whoever reads a row can check it out."""

import subprocess
from pathlib import Path

import multiview

CHANGED = ("status", "--porcelain", "--untracked-files=all", "--", ":/*.py")  # of the whole clone


def commit() -> str:
    """The commit of the package's source; "" if unknown.

    "-dirty" follows it if a Python file of the clone is not as in the commit, or in none. Other
    files change no result: pages and published rows may change while a run goes on. A package that
    is no part of the repository around it, as one installed within a clone of another, has no
    commit.
    """
    try:
        _git("ls-files", "--error-unmatch", Path(multiview.__file__).name)
        return _git("rev-parse", "HEAD") + ("-dirty" if _git(*CHANGED) else "")
    except (OSError, subprocess.SubprocessError):
        return ""


def _git(*arguments: str) -> str:
    """What git says in the package's folder; an error if it fails."""
    done = subprocess.run(
        ["git", "--no-optional-locks", *arguments],
        cwd=Path(multiview.__file__).parent,
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    return done.stdout.strip()
