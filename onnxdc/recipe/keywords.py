"""The keywords of the verbs, for type checkers: the keys of the table that each stage heeds."""

from __future__ import annotations

from typing import TypedDict

from onnxdc.numeric.kmeans import Init
from onnxdc.recipe.keys import Activation, Sharing


class EveryOption(TypedDict, total=False):
    """What every stage heeds."""

    min_elements: int | None


class PruneOptions(EveryOption, total=False):
    """How to prune; see ``recipe.keys``."""

    density: float | None
    quality: float | None
    threshold: float | None
    global_density: float | None


class ShareOptions(EveryOption, total=False):
    """How to share; see ``recipe.keys``."""

    sharing: Sharing | None
    step: float | None
    bits: int | None
    init: Init | None
    groups: int | None
    seed: int | None
    biases: str | None


class QuantizeOptions(ShareOptions, total=False):
    """How to quantize; see ``recipe.keys``."""

    activation: Activation | None


class EncodeOptions(EveryOption, total=False):
    """How to encode; see ``recipe.keys``."""

    index_bits: int | None
    execution: str | None
    codes: str | None
    fuse: bool | None
    strip: bool | None
    activation: Activation | None


class CompressOptions(PruneOptions, QuantizeOptions, EncodeOptions, total=False):
    """How to prune, share or quantize, and encode."""
