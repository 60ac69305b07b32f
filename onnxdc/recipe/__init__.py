"""What to do to which weight: a recipe, made in Python or read from a TOML file."""

from onnxdc.recipe.keys import PRUNING, RECIPE_KEYS
from onnxdc.recipe.recipe import Recipe
from onnxdc.recipe.rule import Options, Rule, Settings

__all__ = ["PRUNING", "RECIPE_KEYS", "Options", "Recipe", "Rule", "Settings"]
