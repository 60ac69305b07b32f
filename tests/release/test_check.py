"""What a release is checked for: the checks that need no wheels hold at any time, and find what is wrong."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def check():
    sys.path.insert(0, str(ROOT / "release"))
    import check

    sys.path.remove(str(ROOT / "release"))
    return check


def test_versions_agree(check):
    assert list(check.versions()) == []


def test_versions_that_differ_are_named(check, monkeypatch):
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    monkeypatch.setattr(check, "VERSION", "9.9.9")
    assert list(check.versions()) == [
        f"{place}: expected version 9.9.9, got {version}"
        for place in ("CITATION.cff", "CHANGELOG.md", "js/package.json")
    ]


def test_links_of_the_documentation_lead_somewhere(check):
    assert list(check.links()) == []


def test_links_that_lead_nowhere_are_named(check, monkeypatch, tmp_path):
    (tmp_path / "README.md").write_text("[here](README.md#top) [web](https://example.org) [there](docs/no.md)")
    for folder in ("docs/start", "js", "js/node_modules/other"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "page.md").write_text("[up](../README.md) [there](no.md)")
    monkeypatch.setattr(check, "ROOT", tmp_path)
    assert list(check.links()) == [
        "README.md: a link to docs/no.md, which is not there",
        "docs/start/page.md: a link to ../README.md, which is not there",
        "docs/start/page.md: a link to no.md, which is not there",
        "js/page.md: a link to no.md, which is not there",
    ]


def test_files_that_are_missing_and_others_are_named(check, tmp_path):
    (tmp_path / "onnxdc-0.0.0.tar.gz").touch()
    problems = list(check.files(tmp_path))
    assert sum(problem.endswith(": missing") for problem in problems) == 1 + len(check.TARGETS)
    assert problems[-1] == f"{tmp_path}/onnxdc-0.0.0.tar.gz: not a file of this release"
