"""The commit of a row: that of all Python files of the clone, or none."""

import subprocess

import pytest

import multiview
from multiview.runs.commit import commit


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A clone that holds the package, with its one commit."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    package = tmp_path / "clone" / "multiview"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package.parent / "script.py").write_text("")
    (package.parent / "page.md").write_text("")
    (package.parent / ".gitignore").write_text("venv\n")
    git(package.parent, "init", "-q")
    git(package.parent, "add", ".")
    git(package.parent, "commit", "-qm", "first")
    monkeypatch.setattr(multiview, "__file__", str(package / "__init__.py"))
    return package.parent


def git(folder, *arguments):
    own = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    command = ["git", *own, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


def head(folder):
    return git(folder, "rev-parse", "HEAD").strip()


def test_the_commit_is_the_whole_hash(clone):
    assert commit() == head(clone)
    assert len(commit()) == 40


def test_a_tag_does_not_stand_for_it(clone):
    git(clone, "tag", "-am", "first", "v1")
    assert commit() == head(clone)


@pytest.mark.parametrize("name", ["script.py", "multiview/__init__.py", "new.py", "a/b/new.py"])
def test_python_files_that_are_in_no_commit_make_it_dirty(clone, name):
    first = head(clone)
    (clone / name).parent.mkdir(parents=True, exist_ok=True)
    (clone / name).write_text("VALUE = 1\n")
    assert commit() == f"{first}-dirty"
    git(clone, "add", ".")
    assert commit() == f"{first}-dirty"
    git(clone, "commit", "-qm", "second")
    assert commit() == head(clone) != first


def test_untracked_files_count_where_git_is_told_not_to_show_them(clone):
    git(clone, "config", "status.showUntrackedFiles", "no")
    (clone / "new.py").write_text("")
    assert commit() == f"{head(clone)}-dirty"


def test_a_removed_or_renamed_file_makes_it_dirty(clone):
    (clone / "script.py").unlink()
    assert commit().endswith("-dirty")
    git(clone, "checkout", "script.py")
    assert commit() == head(clone)
    git(clone, "mv", "script.py", "script.txt")
    assert commit().endswith("-dirty")


@pytest.mark.parametrize("name", ["page.md", "rows.jsonl.gz", "venv/lib/module.py"])
def test_other_and_ignored_files_do_not(clone, name):
    (clone / name).parent.mkdir(parents=True, exist_ok=True)
    (clone / name).write_text("changed\n")
    assert commit() == head(clone)


@pytest.mark.parametrize("folder", ["venv", "not_ignored"])
def test_a_package_installed_within_a_clone_of_another_has_no_commit(clone, monkeypatch, folder):
    installed = clone / folder / "multiview" / "__init__.py"
    installed.parent.mkdir(parents=True)
    installed.write_text("")
    monkeypatch.setattr(multiview, "__file__", str(installed))
    assert commit() == ""


def test_without_a_repository_a_commit_or_git_there_is_none(clone, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit() == ""
    monkeypatch.undo()
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    alone = tmp_path / "alone" / "multiview" / "__init__.py"
    alone.parent.mkdir(parents=True)
    alone.write_text("")
    monkeypatch.setattr(multiview, "__file__", str(alone))
    assert commit() == ""
    git(alone.parent, "init", "-q")
    git(alone.parent, "add", ".")
    assert commit() == ""
