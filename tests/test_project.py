"""What keeps the project together: one version, one address, one set of tools."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

rehearsal = pytest.importorskip("release.rehearsal", reason="needs the project's folder")

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
WORKSPACE = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]
VERSION = WORKSPACE["version"]
WHEEL = "badpix_selfcal-x.whl"


def git(*words, cwd=ROOT):
    who = ("-c", "user.name=tester", "-c", "user.email=tester@localhost")
    command = ["git", *who, *words]
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True).stdout


needs_git = pytest.mark.skipif(
    shutil.which("git") is None or not (ROOT / ".git").exists(), reason="needs a clone"
)


def wheel(folder, version):
    with zipfile.ZipFile(folder / WHEEL, "w") as files:
        files.writestr("x.dist-info/METADATA", f"Metadata-Version: 2.4\nVersion: {version}\n\nx")


@pytest.fixture
def tree(tmp_path):
    """The files that state the version, in a repository, and a wheel in `dist`."""
    folder = tmp_path / "tree"
    for name in (*rehearsal.STATED, "changelog.d/README.md"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    (folder / "dist").mkdir()
    (folder / ".gitignore").write_text("dist\n")
    wheel(folder / "dist", VERSION)
    git("init", "--quiet", cwd=folder)
    return folder


def rehearse(tree):
    git("add", "--all", cwd=tree)
    git("commit", "--quiet", "--allow-empty", "--message", "x", cwd=tree)
    return rehearsal.main(VERSION, tree, tree / "dist")


@needs_git
def test_a_rehearsal_tags_a_clone_alone(tree, capsys):
    assert rehearse(tree) == 0
    assert f"Tagged in a clone: v{VERSION}" in capsys.readouterr().out
    assert git("tag", cwd=tree) == ""


@needs_git
@pytest.mark.parametrize("name", rehearsal.STATED)
def test_each_file_with_another_version_is_one_line(tree, capsys, name):
    text = (tree / name).read_text(encoding="utf-8")
    (tree / name).write_text(text.replace(VERSION, "9.9.9"), encoding="utf-8")
    assert rehearse(tree) == 1
    assert capsys.readouterr().out == f"{name}: has version 9.9.9, not {VERSION}\n"


@needs_git
def test_what_else_is_not_ready_is_one_line_each(tree, capsys):
    wheel(tree / "dist", "9.9.9")
    (tree / "changelog.d" / "12.added.md").write_text("Something.")
    assert rehearse(tree) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"{WHEEL}: has version 9.9.9, not {VERSION}",
        "changelog.d/12.added.md: is not in CHANGELOG.md yet: run towncrier build",
    ]
    (tree / "dist" / WHEEL).unlink()
    (tree / "changelog.d" / "12.added.md").unlink()
    assert rehearse(tree) == 1
    assert capsys.readouterr().out == "dist: has no wheel\n"


@needs_git
def test_a_tagged_version_has_its_date(tree, capsys):
    changes = tree / "CHANGELOG.md"
    text = re.sub(
        r"(## \[.*\] - ).*", r"\1unreleased", changes.read_text(encoding="utf-8"), count=1
    )
    changes.write_text(text, encoding="utf-8")
    assert rehearse(tree) == 0
    git("tag", f"v{VERSION}", cwd=tree)
    capsys.readouterr()
    assert rehearsal.main(VERSION, tree, tree / "dist") == 1
    assert capsys.readouterr().out == (
        f"CHANGELOG.md: has no date for {VERSION}, which is tagged\n"
    )


ADDRESS = re.compile(
    r"(?:github\.com|githubusercontent\.com)/([\w.-]+/badpix-selfcal)\b"
    r"|([\w-]+)\.github\.io/badpix-selfcal\b"
)


def others(folder, address):
    """Return what in the files of a clone leads to a project of this name, but not to this one."""
    owner = address.split("/")[-2]
    names = git("grep", "-lIE", r"github\.(com|io)|githubusercontent", cwd=folder).splitlines()
    return [
        (name, found[0])
        for name in names
        for found in ADDRESS.finditer((folder / name).read_text(encoding="utf-8"))
        if (found[1] or found[2]).split("/")[0] != owner
    ]


@needs_git
def test_all_addresses_have_one_owner():
    assert others(ROOT, PROJECT["urls"]["Repository"]) == []


@needs_git
@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
def test_one_command_changes_all_addresses(tmp_path):
    clone, owner = tmp_path / "clone", "some-one"
    address = f"https://github.com/{owner}/badpix-selfcal"
    git("clone", "--quiet", "--no-tags", str(ROOT), str(clone))
    assert others(clone, address) != []
    subprocess.run(["make", "urls", f"OWNER={owner}"], cwd=clone, check=True)
    assert others(clone, address) == []
    changed = tomllib.loads((clone / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert changed["urls"]["Repository"] == address
    assert changed["urls"]["Documentation"] == f"https://{owner}.github.io/badpix-selfcal/"


def test_workflows_use_the_versions_that_are_pinned_elsewhere():
    release, tests = (
        (ROOT / ".github" / "workflows" / f"{name}.yml").read_text(encoding="utf-8")
        for name in ("release", "tests")
    )
    pinned = dict(each.split("==") for each in PYPROJECT["dependency-groups"]["release"])
    assert {*re.findall(r"maturin-version: v(.*)", release)} == {pinned["maturin"]}
    commands = re.findall(r"cargo \+(\S+) (\w+)", tests)
    oldest = WORKSPACE["rust-version"]
    assert commands == [(oldest, "test"), (oldest, "check")]
    assert f"rustup toolchain install {oldest} " in tests


def test_pre_commit_runs_the_versions_of_make_lint():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    pinned = {}
    for repo in hooks["repos"]:
        name = re.sub(r"^mirrors-|-pre-commit$", "", repo["repo"].rpartition("/")[2])
        pinned[name] = repo.get("rev", "").removeprefix("v")
    group = PYPROJECT["dependency-groups"]["lint"]
    lint = dict(each.split("==") for each in group if "==" in each)
    shared = lint.keys() & pinned.keys()
    assert {"ruff", "mypy", "codespell", "zizmor", "check-jsonschema"} <= shared
    assert {name: pinned[name] for name in shared} == {name: lint[name] for name in shared}
