"""Recipes: which rule counts, what the defaults are, and what a bad recipe is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onnxdc.errors import OptionError, RecipeError
from onnxdc.graph.weights import find_weights
from onnxdc.recipe import Options, Recipe, Rule, Settings
from tests.helpers.text_models import build, normal

MODEL = build(
    """g (float[N, 3, 8, 8] x) => (y) {
        a = Conv (x, conv_weight)
        b = Flatten (a)
        c = Gemm (b, fc1_weight, fc1_bias)
        y = MatMul (c, fc2_weight)
    }""",
    conv_weight=normal(4, 3, 3, 3),
    fc1_weight=normal(144, 8),
    fc1_bias=normal(8),
    fc2_weight=normal(8, 2),
)
WEIGHTS, SKIPS = find_weights(MODEL, 10)


def resolve(*rules: Rule, **options: object) -> dict[str, Settings]:
    return Recipe(rules).with_options(**options).resolve(WEIGHTS, SKIPS)


def from_text(tmp_path: Path, text: str) -> Recipe:
    (tmp_path / "my.toml").write_text(text)
    return Recipe.from_toml(tmp_path / "my.toml")


def test_the_empty_recipe_prunes_nothing_and_shares_at_8_bits() -> None:
    settings = resolve()

    assert [(s.prunes, s.bits, s.skip) for s in settings.values()] == [(False, 8, False)] * 3


@pytest.mark.parametrize("option", ["density", "threshold", "quality", "global_density"])
def test_a_pruned_weight_gets_the_bits_of_the_paper(option: str) -> None:
    settings = resolve(sharing="kmeans", **{option: 0.5})

    assert {name: (s.bits, s.index_bits) for name, s in settings.items()} == {
        "conv_weight": (8, 8),
        "fc1_weight": (5, 5),
        "fc2_weight": (5, 5),
    }
    assert all(s.prunes for s in settings.values()) == (option != "global_density")


def test_the_first_rule_that_matches_counts_alone() -> None:
    settings = resolve(Rule("fc1_*", bits=3), Rule("fc*", bits=4, density=0.1), sharing="kmeans", init="density")

    settings = {name: replace(of_weight, step=None) for name, of_weight in settings.items()}
    assert settings["fc1_weight"] == Settings(sharing="kmeans", bits=3, index_bits=5, init="density")
    assert settings["fc2_weight"] == Settings(density=0.1, sharing="kmeans", bits=4, index_bits=5, init="density")
    assert settings["conv_weight"] == Settings(sharing="kmeans", init="density")


@pytest.mark.parametrize(
    ("rule", "matched"),
    [
        (Rule("*_weight", bits=2), {"conv_weight", "fc1_weight", "fc2_weight"}),
        (Rule("fc1_weight", bits=2), {"fc1_weight"}),
        (Rule("fc[12]_weight", bits=2), {"fc1_weight", "fc2_weight"}),
        (Rule(op="MatMul", bits=2), {"fc2_weight"}),
        (Rule(kind="fc", bits=2), {"fc1_weight", "fc2_weight"}),
        (Rule("*1*", op="Gemm", kind="fc", bits=2), {"fc1_weight"}),
    ],
)
def test_a_rule_matches_by_name_operator_and_kind(rule: Rule, matched: set[str]) -> None:
    assert {name for name, settings in resolve(rule).items() if settings.bits == 2} == matched


def test_a_name_with_brackets_matches_itself() -> None:
    model = build("g (float[N] x) => (y) { y = MatMul (x, w) }", w=normal(2, 2))
    model.graph.initializers["w"].name = "w[0]"

    assert Recipe((Rule("w[0]", bits=2),)).resolve(find_weights(model, 0)[0])["w[0]"].bits == 2


def test_a_way_to_prune_replaces_that_of_the_defaults() -> None:
    settings = resolve(Rule("fc1*", quality=1.5), density=0.1)

    assert (settings["fc1_weight"].density, settings["fc1_weight"].quality) == (None, 1.5)
    assert settings["fc2_weight"].density == 0.1


def test_options_that_are_none_leave_the_recipe_as_it_is() -> None:
    recipe = Recipe(defaults=Options(bits=4, threshold=0.5), seed=3, min_elements=7)

    assert recipe.with_options(bits=None, density=None, seed=None, min_elements=None) == recipe
    assert recipe.with_options(bits=6, density=0.25, seed=4).defaults == Options(bits=6, density=0.25)
    assert recipe.with_options(seed=4).seed == 4


def test_an_option_that_prunes_replaces_the_way_of_the_recipe() -> None:
    by_layer = Recipe(global_density=0.5).with_options(density=0.25)
    globally = Recipe(defaults=Options(quality=1, bits=4)).with_options(global_density=0.5)

    assert by_layer == Recipe(defaults=Options(density=0.25))
    assert globally == Recipe(defaults=Options(bits=4), global_density=0.5)


@pytest.mark.parametrize(
    ("rules", "options"),
    [
        ((), {"init": "density"}),
        ((), {"groups": 2}),
        ((), {"sharing": "kmeans", "step": 0.1}),
        ((Rule("fc*", groups=2),), {}),
        ((Rule("fc*", sharing="grid", init="random"),), {"sharing": "kmeans"}),
    ],
)
def test_an_option_of_the_other_way_of_sharing_is_refused(rules: tuple[Rule, ...], options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=r": expected sharing (grid|kmeans), which it is for$"):
        Recipe(rules).with_options(**options)


def test_defaults_may_be_for_the_rules_that_share_otherwise() -> None:
    recipe = Recipe((Rule("fc*", sharing="kmeans"),), Options(groups=2, step=0.1))

    assert recipe.resolve(WEIGHTS, SKIPS)["fc1_weight"].groups == 2


def test_steps_grow_with_the_root_of_the_size_and_are_exact_in_a_rule() -> None:
    weights = {name: normal(*shape) for name, shape in {"a": (16, 16), "b": (16, 64), "c": (64, 16)}.items()}
    model = build("g (float[N, 16] x) => (y) { p = MatMul (x, a)  q = MatMul (p, b)  y = MatMul (q, c) }", **weights)
    found = find_weights(model, 0)[0]
    steps = {name: s.step for name, s in Recipe((Rule("c", step=0.3),)).with_options(step=0.1).resolve(found).items()}
    middle = np.exp((256 * np.log(256) + 2 * 1024 * np.log(1024)) / (256 + 2 * 1024))

    assert steps == pytest.approx({"a": 0.1 * np.sqrt(256 / middle), "b": 0.1 * np.sqrt(1024 / middle), "c": 0.3})
    safe = {name: s.step for name, s in Recipe().resolve(found).items()}
    total = 256 + 2 * 1024
    assert safe["a"] == pytest.approx(0.105 * (total / 1e6) ** 0.2 * np.sqrt(256 / middle))


def test_a_convolution_that_no_weight_precedes_has_a_finer_step() -> None:
    conv, fc = (resolve()[name].step for name in ("conv_weight", "fc1_weight"))

    assert conv is not None
    assert fc is not None
    assert conv == pytest.approx(fc * np.sqrt(108 / 1152) / 4)


def test_numbers_of_numpy_are_numbers() -> None:
    assert Options(bits=np.int64(4), density=np.float32(0.5)).said() == {"bits": 4, "density": 0.5}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bits": 9}, "bits: expected an integer from 1 to 8, got 9"),
        ({"bits": 0}, "bits: expected an integer from 1 to 8, got 0"),
        ({"bits": True}, "bits: expected an integer from 1 to 8, got True"),
        ({"bits": 4.0}, "bits: expected an integer from 1 to 8, got 4.0"),
        ({"index_bits": 9}, "index_bits: expected an integer from 1 to 8, got 9"),
        ({"density": 1.5}, "density: expected a number from 0 to 1, got 1.5"),
        ({"density": float("nan")}, "density: expected a number from 0 to 1, got nan"),
        ({"density": "0.5"}, "density: expected a number from 0 to 1, got '0.5'"),
        ({"threshold": -1}, "threshold: expected a number of 0 or more, got -1"),
        ({"quality": float("inf")}, "quality: expected a number of 0 or more, got inf"),
        ({"groups": 0}, "groups: expected an integer of 1 or more, got 0"),
        ({"init": "forgy"}, 'init: expected "linear" or "density" or "random", got \'forgy\''),
        ({"execution": 1}, 'execution: expected "auto" or "sparse" or "dense", got 1'),
        ({"skip": 1}, "skip: expected true or false, got 1"),
        ({"seed": -1}, "seed: expected an integer of 0 or more, got -1"),
        ({"min_elements": -1}, "min_elements: expected an integer of 0 or more, got -1"),
        (
            {"density": 0.1, "global_density": 0.2},
            "expected one way to prune by default, got global_density and density",
        ),
        ({"density": 0.1, "quality": 1}, "expected one of density, threshold, quality, got density and quality"),
    ],
)
def test_bad_values_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        Recipe().with_options(**options)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (Rule("fc3_weight"), "pattern 'fc3_weight' matches no weight, the nearest name is 'fc2_weight'"),
        (Rule("*_bias"), "pattern '*_bias' matches no weight: fc1_bias is skipped: 8 elements, fewer than 10"),
        (Rule("zzz"), "pattern 'zzz' matches no weight"),
        (Rule("fc*", op="Conv"), "pattern 'fc*', op 'Conv' matches no weight"),
        (Rule(op="LSTM"), "op 'LSTM' matches no weight"),
    ],
)
def test_a_rule_that_matches_nothing_is_an_error(rule: Rule, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        resolve(Rule("conv*"), rule)
    assert str(caught.value) == message


def test_a_file_says_the_same_as_python(tmp_path: Path) -> None:
    recipe = from_text(
        tmp_path,
        """
        seed = 3
        min_elements = 10
        global_density = 0.2
        [defaults]
        sharing = "kmeans"
        init = "random"
        [[rule]]
        pattern = "fc1*"
        density = 1
        bits = 5
        index_bits = 4
        groups = 2
        execution = "dense"
        [[rule]]
        kind = "conv"
        skip = true
        """,
    )

    assert recipe == Recipe(
        rules=(
            Rule("fc1*", density=1, bits=5, index_bits=4, groups=2, execution="dense"),
            Rule(kind="conv", skip=True),
        ),
        defaults=Options(sharing="kmeans", init="random"),
        global_density=0.2,
        seed=3,
        min_elements=10,
    )
    assert [rule.where for rule in recipe.rules] == ["my.toml:8", "my.toml:15"]


def test_an_empty_file_is_the_empty_recipe(tmp_path: Path) -> None:
    assert from_text(tmp_path, "") == Recipe()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "seed = 1\nbits = 5\n",
            "my.toml:2: 'bits' is a key of weights, expected under [defaults] or in a [[rule]]",
        ),
        ("sed = 1\n", "my.toml:1: unknown key 'sed', expected seed"),
        ("[[rule]]\npattern = 'a'\n\n[[rule]]\npattern = 'b'\nbit = 5\n", "my.toml:6: unknown key 'bit', expected "),
        ("[defaults]\n# bits = 9\nbits = 9\n", "my.toml:3: bits: expected an integer from 1 to 8, got 9"),
        ("[defaults]\npattern = 'a'\n", "my.toml:2: unknown key 'pattern', expected "),
        ("[[rule]]\nwhere = 'a'\n", "my.toml:2: unknown key 'where', expected "),
        ("\n[[rule]]\nbits = 5\n", "my.toml:2: rule: expected a pattern, an op or a kind, got none of them"),
        (
            "[[rule]]\nop = 'Conv'\ndensity = 0.1\nquality = 1\n",
            "my.toml:1: rule: expected one of density, ",
        ),
        ("[[rule]]\nop = ''\n", "my.toml:2: op: expected a text of 1 to 1000 characters, got ''"),
        ("rule = [{op = 'Conv', bits = 9}]\n", "my.toml:1: bits: expected an integer from 1 to 8, got 9"),
        ("[defaults]\ndensity = {a = 1}\n", "my.toml:2: density: expected a number from 0 to 1, got {'a': 1}"),
        ("defaults.bits = 9\n", "my.toml:1: bits: expected an integer from 1 to 8, got 9"),
        ("\ndefaults = 3\n", "my.toml:2: defaults: expected a table, got 3"),
        ("[rule]\nop = 'Conv'\n", "my.toml:1: rule: expected tables, each headed [[rule]]"),
        (
            "\nglobal_density = 0.1\n[defaults]\ndensity = 0.1\n",
            "my.toml:2: expected one way to prune by default, got ",
        ),
        ("[defaults]\ninit = 'random'\n", "my.toml: init: expected sharing kmeans, which it is for"),
        ("[[rule]]\nkind = 'fc'\nstep = 0.1\nsharing = 'kmeans'\n", "my.toml: kind 'fc': step: expected sharing grid"),
        ("seed = 1\nbits = = 2\n", "my.toml:2: not TOML: Invalid value"),
        ("seed = [1\n", "my.toml:1: not TOML: Unclosed array"),
        ("seed = " + "[" * 10000, "my.toml:1: not TOML: "),
        ("seed = " + "1" * 10000, "my.toml:1: not TOML: "),
    ],
)
def test_a_bad_file_is_told_the_line_and_the_key(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        from_text(tmp_path, text)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_pattern_of_a_file_that_matches_nothing_is_told_with_its_line(tmp_path: Path) -> None:
    recipe = from_text(tmp_path, '[[rule]]\npattern = "conv*"\n\n[[rule]]\npattern = "lstm*"\n')
    with pytest.raises(RecipeError, match=r"^my\.toml:4: pattern 'lstm\*' matches no weight$"):
        recipe.resolve(WEIGHTS, SKIPS)


def test_a_file_that_cannot_be_read_is_a_recipe_error(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"^none\.toml: cannot be read: No such file"):
        Recipe.from_toml(tmp_path / "none.toml")
    (tmp_path / "my.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(RecipeError, match=r"^my\.toml: cannot be read: not UTF-8 text"):
        Recipe.from_toml(tmp_path / "my.toml")
