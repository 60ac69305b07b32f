"""The page about a compressed file in Chromium."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

import onnxdc
from tests.helpers.small_models import LENET
from tests.web.pages import flags

pytestmark = pytest.mark.xdist_group("web")

PATIENCE = 180
# Sorts by bytes, then the other way round, and leaves what it found in the title.
SORTING = """
const button = document.querySelectorAll("table.sortable thead button")[1];
const names = () => [...document.querySelectorAll("table.sortable tbody th")].map((cell) => cell.dataset.key);
button.click(); const falling = names(); button.click();
document.title = JSON.stringify([falling, names(), button.closest("th").ariaSort]);
"""


@pytest.fixture(scope="module")
def html() -> str:
    return onnxdc.describe(onnxdc.compress(LENET, density=0.1).model, LENET).html


def opened(browser: str, page: Path, folder: Path) -> tuple[str, list[str]]:
    """The document that Chromium makes of a page, and what it says on its console."""
    own = (f"--user-data-dir={folder}", "--enable-logging=stderr", "--virtual-time-budget=2000", "--dump-dom")
    command = [browser, *flags(), *own, page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    return done.stdout, [line for line in done.stderr.splitlines() if ":CONSOLE" in line]


def test_it_opens_without_a_word_on_the_console(browser, html, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(html, encoding="utf-8")
    document, console = opened(browser, page, tmp_path / "profile")
    assert console == []
    assert document.count("<svg") == html.count("<svg") > 5


def test_a_click_sorts_the_weights_and_another_one_turns_them_round(browser, html, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(html.replace("</body>", f"<script>{SORTING}</script></body>"), encoding="utf-8")
    document, console = opened(browser, page, tmp_path / "profile")
    assert console == []
    title = re.search("<title>(.*?)</title>", document)[1]
    assert title == '[["fc1.weight","fc2.weight","fc3.weight"],["fc3.weight","fc2.weight","fc1.weight"],"ascending"]'


def test_what_a_page_would_load_is_refused(browser, html, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(html.replace("</body>", '<img src="file:///nowhere.png"></body>'), encoding="utf-8")
    _, console = opened(browser, page, tmp_path / "profile")
    assert len(console) >= 1  # so the console does tell, and the policy holds
    assert "Content Security Policy" in console[0]
