"""The worked examples of docs/adding.md do what the page says."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from onnxdc.domain.operators import ACTIVATIONS
from onnxdc.errors import WeightError
from onnxdc.graph.weights import WeightInfo
from onnxdc.passes.plan import plan_weights
from onnxdc.recipe import Settings
from onnxdc.recipe.keys import KEYS, Key
from tests.helpers.small_models import constants, dense

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "adding.md").read_text(encoding="utf-8")


def code_blocks() -> list[str]:
    """The indented blocks of the page, those within lists too."""
    blocks = re.findall(r"(?:^(?: {4}.*)?\n)+", PAGE, flags=re.MULTILINE)
    return [textwrap.dedent(block).strip("\n") for block in blocks if block.strip()]


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The pass of the page as a module."""
    source = next(block for block in code_blocks() if block.startswith('"""Round'))
    module = ModuleType("onnxdc.passes.rounding")
    monkeypatch.setitem(__import__("sys").modules, module.__name__, module)
    exec(compile(source, "docs/adding.md", "exec"), module.__dict__)
    return module


def test_the_pass_rounds_and_tells(example: ModuleType) -> None:
    model = dense()
    before = constants(model)
    result = example.round_weights(plan_weights(model))
    for change in result.changes:
        expected = before[change.name].astype(np.float16).astype(np.float32)
        np.testing.assert_array_equal(constants(model)[change.name], expected)
        assert change.largest == np.abs(expected - before[change.name]).max()
    assert [change.name for change in result.changes] == ["fc1", "fc2"]
    again = example.round_weights(plan_weights(model))
    assert {skip.reason for skip in again.skips if skip.name.startswith("fc")} == {"has no more precision than float16"}


def test_the_pass_refuses_what_is_not_finite(example: ModuleType) -> None:
    with pytest.raises(WeightError, match="finite"):
        example.round_weight(np.full((2, 2), np.inf, np.float32), Settings(), WeightInfo("W", "fc", (2, 2), 1))


def test_the_option_of_the_page_is_a_good_row() -> None:
    source = next(block for block in code_blocks() if block.startswith("Key("))
    from onnxdc.recipe.checks import integer

    key = eval(source.rstrip(","), {"Key": Key, "integer": integer})
    assert key.name not in {known.name for known in KEYS}
    assert key.check[0](key.default)


def test_the_activation_of_the_page_does_not_exist_yet() -> None:
    assert "Softsign" not in ACTIVATIONS, "docs/adding.md takes Softsign for its example: give the page another one"


def test_every_file_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"`((?:[\w./-]+/)?[\w.-]+\.(?:py|cc|h|md|txt))`", PAGE))
    missing = {
        name
        for name in named
        if not any((ROOT / folder / name).is_file() for folder in ("", "onnxdc", "custom_ops", "docs"))
    }
    examples = {"simd/panel_avx512fp16.cc", "custom_ops/simd/panel_avx512fp16.cc", "CHANGELOG.md"}
    known_by_name = {"features.cc", "panel.cc", "conv.cc", "register.cc", "expected.h"}
    assert missing - examples - known_by_name == set()
    assert all(list((ROOT / "custom_ops").rglob(name)) for name in known_by_name)
