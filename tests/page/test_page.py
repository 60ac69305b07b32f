"""The page: one file that loads nothing, in which texts out of a model stay texts."""

from __future__ import annotations

import doctest
import importlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import onnxdc
from tests.helpers.small_models import DIGITS, LENET, saved
from tests.helpers.text_models import build, normal


class Reader(HTMLParser):
    """Reads a page: elements that are not closed in order, what it would load, and its text."""

    VOID = frozenset({"meta", "br", "wbr", "rect", "path", "line"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loaded: list[str] = []
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.loaded += [value for name, value in attrs if name in ("src", "href", "action", "data", "poster")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture(scope="module")
def page():
    return onnxdc.describe(onnxdc.compress(LENET, density=0.1).model, LENET)


def test_it_is_whole_and_loads_nothing(page):
    reader = Reader(page.html)
    assert reader.open == []
    assert reader.loaded == []
    assert not re.search(r"url\(|@import|https?:", page.html)
    assert "default-src &#x27;none&#x27;" in page.html


def test_it_shows_what_was_found(page):
    text = " ".join(Reader(page.html).texts)
    found = page.overview
    assert f"{found.original_bytes / found.nbytes:.1f}\u00d7" in text
    for word in ("Smaller", "Divergence", "Bytes by stage", "Energy", "45 nm", "onnxdc compress", "266,200 products"):
        assert word in text
    for each in found.weights:
        assert f"{each.stored_bits:.2f}" in text
        assert each.reason in text


def test_headers_of_the_weights_are_buttons_in_a_table_with_scopes(page):
    assert page.html.count('<button type="button">') == page.html.count("data-first=") >= 7
    assert len(re.findall(r'<tr><th scope="row" class="name" data-key="fc\d.weight">', page.html)) == 3


def test_names_out_of_a_file_stay_texts(tmp_path):
    name = '"><script>alert(1)</script>\u202e'
    model = build("g (float[N, 40] x) => (float[N, 84] y) { y = MatMul(x, fc1) }", fc1=normal(40, 84))
    value = model.graph.initializers.pop("fc1")
    value.name = name
    model.graph.initializers.add(value)
    page = onnxdc.describe(saved(model, tmp_path / "odd.onnx"))
    assert "<script>alert" not in page.html
    assert "\u202e" not in page.html
    assert Reader(page.html).tags.count("script") == 1
    assert "alert(1)" in "".join(Reader(page.html).texts)


def test_it_is_written_whole_or_not_at_all(page, tmp_path):
    page.save(tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == page.html
    with pytest.raises(onnxdc.ModelError, match="cannot write"):
        page.save(tmp_path / "nowhere" / "page.html")


def test_what_it_shows_is_there_as_values(page):
    values = json.loads(page.to_json())
    assert values["nbytes"] == page.overview.nbytes
    assert [weight["row"]["name"] for weight in values["weights"]] == ["fc1.weight", "fc2.weight", "fc3.weight"]
    assert repr(page) == f"<Page: 3 weights, {page.overview.nbytes:,} bytes>"


@pytest.mark.parametrize("name", ["markup", "numbers"])
def test_examples(name):
    found = doctest.testmod(importlib.import_module(f"onnxdc.page.{name}"))
    assert found.attempted >= 2
    assert found.failed == 0


def test_the_curve_of_tune_is_shown(tmp_path):
    calibration, judging = tmp_path / "calib.npz", tmp_path / "val.npz"
    _split_digits(calibration, judging)
    tuning = onnxdc.tune(LENET, tmp_path / "curve", data=calibration, val=judging, points=3)
    small = onnxdc.compress(
        LENET, onnxdc.Recipe.from_toml(tmp_path / "curve" / tuning.points[1].recipe), data=calibration
    )
    page = onnxdc.describe(small.model, LENET, tune=tmp_path / "curve")
    assert page.overview.tuning.points == tuning.points
    assert page.overview.tuning.weights == tuning.weights
    text = " ".join(Reader(page.html).texts)
    assert "Importance of each weight" in text
    for point in tuning.points:
        assert f"{point.nbytes:,}" in text
    with pytest.raises(onnxdc.ModelError, match="got another model"):
        onnxdc.describe(small.model, small.model, tune=tmp_path / "curve")
    with pytest.raises(onnxdc.ModelError, match="expected what tune writes"):
        onnxdc.describe(small.model, LENET, tune=calibration)


def _split_digits(calibration: Path, judging: Path) -> None:
    digits = np.load(DIGITS)
    np.savez(calibration, input=digits["input"][:120])
    np.savez(judging, input=digits["input"][120:], labels=digits["labels"][120:])
