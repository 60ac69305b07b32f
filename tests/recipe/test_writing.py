"""Recipes as text: what is written is what is read."""

from __future__ import annotations

import tomllib
from fnmatch import fnmatchcase

import pytest

from onnxdc import Recipe
from onnxdc.recipe.rule import Options, Rule
from onnxdc.recipe.writing import exactly, to_toml

RECIPES = {
    "empty": Recipe(),
    "of the whole model": Recipe(seed=7, min_elements=10, fuse=False, strip=True, global_density=0.1),
    "defaults and rules": Recipe(
        defaults=Options(bits=5, codes="bytes"),
        rules=(
            Rule(pattern="fc*", density=1 / 3, index_bits=4),
            Rule(op="Gemm", kind="fc", skip=True),
            Rule(pattern='odd "names"\\ with\ttabs, \x7f, ü and \U0001f600', bits=1),
        ),
    ),
    "an integer for a number": Recipe(rules=(Rule(kind="conv", density=1),)),
}


@pytest.mark.parametrize("name", RECIPES)
def test_what_is_written_is_read_back(name, tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(to_toml(RECIPES[name], "made by hand\n\nin two lines"), encoding="utf-8")
    assert Recipe.from_toml(path) == RECIPES[name]


def test_defaults_are_not_written():
    assert tomllib.loads(to_toml(Recipe(rules=(Rule(kind="fc", bits=3),)))) == {"rule": [{"kind": "fc", "bits": 3}]}


@pytest.mark.parametrize("name", ["plain.weight", "a[0]", "b*", "c?d", "[!x]", "]", "x]y[z"])
def test_a_name_is_matched_alone(name):
    assert fnmatchcase(name, exactly(name))
    assert not fnmatchcase(f"{name}0", exactly(name))
    assert not fnmatchcase("a0", exactly(name))
