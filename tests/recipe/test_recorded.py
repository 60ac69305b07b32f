"""What a recipe says beyond its defaults, as it is recorded."""

from __future__ import annotations

import json

from onnxdc.recipe import Options, Recipe, Rule
from onnxdc.recipe.keys import KEYS, OF_SHARING
from onnxdc.recipe.recorded import recorded

ALL = ("prune", "share", "encode")


def test_a_recipe_that_says_nothing_names_the_stages() -> None:
    assert recorded(Recipe(), *ALL) == {"prune": {}, "share": {}, "encode": {}}


def test_keys_are_told_by_stage_and_defaults_left_out() -> None:
    recipe = Recipe(defaults=Options(density=0.1, sharing="grid", bits=6, execution="auto"), seed=3, min_elements=16)
    assert recorded(recipe, *ALL) == {
        "prune": {"density": 0.1},
        "share": {"bits": 6, "seed": 3},
        "encode": {},
        "every": {"min_elements": 16},
    }


def test_a_stage_alone_tells_its_own_keys() -> None:
    rules = (Rule(pattern="fc*", bits=4, index_bits=4), Rule(kind="conv", density=0.2))
    recipe = Recipe(rules, Options(density=0.1), strip=True)
    assert recorded(recipe, "encode") == {
        "encode": {"strip": True},
        "rules": [{"pattern": "fc*", "index_bits": 4}, {"kind": "conv"}],
    }
    assert "rules" not in recorded(Recipe((Rule(kind="conv", density=0.2),)), "encode")


def test_a_rule_tells_no_path(tmp_path) -> None:
    (tmp_path / "secret.toml").write_text('fuse = false\n[[rule]]\nop = "Gemm"\nskip = true\n')
    said = recorded(Recipe.from_toml(tmp_path / "secret.toml"), *ALL)
    assert said == {"prune": {}, "share": {}, "encode": {"fuse": False}, "rules": [{"op": "Gemm", "skip": True}]}
    assert "secret" not in json.dumps(said)


def test_every_key_can_be_told() -> None:
    values = {bool: True, int: 7, float: 0.5, str: "density"}
    other = {"fuse": False, "execution": "dense", "codes": "bytes", "sharing": "kmeans", "biases": "keep"}
    other["activation"] = "static"
    for key in KEYS:
        value = other.get(key.name, values[key.type])
        options = {key.name: value} | ({"sharing": OF_SHARING[key.name]} if key.name in OF_SHARING else {})
        recipe = Recipe().with_options(**options)
        assert any(said.get(key.name) == value for said in recorded(recipe, *ALL, "quantize").values()), key.name
