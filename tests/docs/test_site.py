"""The site builds without a warning, has all that is public, and names no option that is not there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from itertools import groupby
from pathlib import Path

import pytest

import onnxdc
from onnxdc.cli import cli

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMAND = re.compile(r"^ {4,}onnxdc (?P<words>[a-z].*)$", re.MULTILINE)


pytestmark = pytest.mark.xdist_group("site")  # it is built once


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return folder


def test_each_page_is_there_and_links_lead_somewhere(site: Path) -> None:
    pages = {path.relative_to(ROOT / "docs").with_suffix(".html") for path in PAGES[1:]}
    assert pages <= {path.relative_to(site) for path in site.rglob("*.html")}
    for path in site.rglob("*.html"):
        for link in re.findall(r'(?:href|src)="([^"#?:]+)[#?"]', path.read_text(encoding="utf-8")):
            assert (path.parent / link).exists() or (site / link.lstrip("/")).exists(), f"{path.name}: {link}"


def test_nothing_comes_from_elsewhere(site: Path) -> None:
    for path in site.rglob("*.html"):
        assert not re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="https?:', path.read_text(encoding="utf-8")), path


def test_the_reference_has_all_that_is_public(site: Path) -> None:
    python = (site / "reference" / "python.html").read_text(encoding="utf-8")
    missing = {name for name in onnxdc.__all__ if f'id="onnxdc.{name}"' not in python}
    assert not {name for name in missing if f'id="onnxdc.errors.{name}"' not in python}
    commands = (site / "reference" / "commands.html").read_text(encoding="utf-8")
    for name, command in cli.commands.items():
        assert f'id="onnxdc-{name}"' in commands
        for parameter in command.params:
            assert all(option in commands for option in parameter.opts)


def test_pages_name_no_option_that_is_not_there() -> None:
    found = [
        (page.name, words)
        for page in PAGES
        for words in COMMAND.findall(re.sub(r"\\\n *", "", page.read_text(encoding="utf-8")))
    ]
    assert len(found) > 40
    for page, words in found:
        command, *rest = shlex.split(words, comments=True)
        known, group = cli.commands.get(command), command
        if hasattr(known, "commands"):
            group, *rest = rest
            known = known.commands.get(group)
        assert known is not None, f"{page}: onnxdc {words}"
        options = {name for parameter in known.params for name in (*parameter.opts, *parameter.secondary_opts)}
        asked = {word.partition("=")[0] for word in rest if re.match(r"--?[a-z]", word)}
        assert asked <= options | {"-h", "--help"}, f"{page}: onnxdc {words}"


def test_what_is_copied_from_a_block_is_of_one_language() -> None:
    typed = re.compile(r"(?:onnxdc|pip|npm|python) ")
    source = re.compile(r"(?:import|from|const|\w+ =) ")
    for page in [*PAGES, ROOT / "js" / "README.md", *(ROOT / "examples").glob("*/README.md")]:
        lines = page.read_text(encoding="utf-8").splitlines()
        for indented, block in groupby((line for line in lines if line), lambda line: line.startswith("    ")):
            inside = [line.strip() for line in block]
            assert not (indented and any(map(typed.match, inside)) and any(map(source.match, inside))), (page, inside)
