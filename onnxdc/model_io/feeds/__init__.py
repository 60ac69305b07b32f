"""What to feed a model: what its inputs are, arrays that somebody gave, cut into runs, and made-up ones."""

from onnxdc.model_io.feeds.given import BATCH, given_array, given_feeds
from onnxdc.model_io.feeds.made_up import OPEN_DIMENSIONS, Attempt, attempts, other_values, random_feed
from onnxdc.model_io.feeds.npz import load_arrays
from onnxdc.model_io.feeds.specs import Feed, InputSpec, forget_impossible_sizes, input_specs

__all__ = [
    "BATCH",
    "OPEN_DIMENSIONS",
    "Attempt",
    "Feed",
    "InputSpec",
    "attempts",
    "forget_impossible_sizes",
    "given_array",
    "given_feeds",
    "input_specs",
    "load_arrays",
    "other_values",
    "random_feed",
]
