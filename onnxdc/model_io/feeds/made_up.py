"""Made-up inputs: seeded, of the right types and sizes, and what the name of an input lets one expect of it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from onnxdc.errors import ModelError
from onnxdc.model_io.feeds.specs import Feed, InputSpec

# What is tried for dimensions that the model leaves open: the first one of an input, and all others. A model may be
# exported for one batch size; convolutions need images of some size: 224 pixels are those of ImageNet; frames of sound
# have 512 samples, and 16,000 are a second of it, which would be too many tokens of a text.
OPEN_DIMENSIONS: Final = ((2, 16), (1, 16), (1, 64), (1, 224), (1, 512), (1, 1), (16, 16))
_OF_SOUND: Final = ((1, 16000), (1, 512), (1, 576), *OPEN_DIMENSIONS)  # 576: with 64 samples before them

_RATE: Final = 16000  # samples in a second of sound that models of speech expect
_MOST: Final = 2**28  # bytes of a made-up feed
_LEAST_SOUND: Final = 256  # samples of a frame
_SCALES: Final = (1.0, 0.1, 0.01)  # of normal floats: large ones can saturate a model

# Parts of the names of inputs and of their dimensions.
_SAMPLE_RATE: Final = re.compile(r"(^|[^a-z])(sr|fs)([^a-z]|$)|samp\w*?_?rate")
_SOUND: Final = re.compile(r"audio|wav|speech|voice|sound|signal|pcm|samples")
_LENGTH: Final = re.compile(r"len(s|gths?)?([^a-z]|$)|num_?frames|n_?frames|num_?samples")
_MASK: Final = re.compile(r"mask")
_PADDING: Final = re.compile(r"pad")
_POSITION: Final = re.compile(r"position")
_STATE: Final = re.compile(r"state|hidden|cache|^[hc]_?(n|in|0)?$")
_BATCH: Final = re.compile(r"batch|^[bn]$")


@dataclass(frozen=True)
class Attempt:
    """How to make inputs up.

    Attributes:
        first: The size of open dimensions that are the first of an input; a symbol has one size wherever it occurs.
        others: The size of the other open dimensions.
        scale: The standard deviation of floats.
        below: What integers of unknown meaning are below; None to make them 1.
    """

    first: int
    others: int
    scale: float = 1.0
    below: int | None = None


def attempts(specs: Sequence[InputSpec]) -> Iterator[Attempt]:
    """Yield what to try: sizes first, then other values.

    Args:
        specs: The inputs, from ``input_specs``.
    """
    tried = set()
    for first, others in _OF_SOUND if _is_sound(specs) else OPEN_DIMENSIONS:
        shapes = tuple(map(tuple, _shapes(specs, first, others)))
        if shapes not in tried:
            tried.add(shapes)
            yield Attempt(first, others)


def other_values(specs: Sequence[InputSpec], attempt: Attempt) -> Iterator[Attempt]:
    """Yield the same sizes with other values, for models that say the same of all inputs that they were given."""
    if any(spec.dtype.kind not in "biuO" for spec in specs):
        for scale in _SCALES[1:]:
            yield Attempt(attempt.first, attempt.others, scale)
    if any(spec.dtype.kind in "iu" and spec.limit is None for spec in specs):
        yield Attempt(attempt.first, attempt.others, below=16)


def random_feed(
    specs: Sequence[InputSpec],
    first: int,
    others: int,
    rng: np.random.Generator,
    *,
    scale: float = 1.0,
    below: int | None = None,
) -> Feed:
    """Draw a value for each input.

    Floats are normal, sound is noise and a tone, bytes and integers with a known limit are uniform. Masks are 1,
    a rate of samples is 16,000, lengths are the size of the open dimension, positions count up, other integers are 1.

    Args:
        specs: The inputs, from ``input_specs``.
        first: See ``Attempt``, as for the others.
        others: See ``Attempt``.
        rng: The generator of the random numbers.
        scale: See ``Attempt``.
        below: See ``Attempt``.

    Raises:
        ModelError: The inputs would take more than 256 MiB.
    """
    shapes = _shapes(specs, first, others)
    nbytes = sum(math.prod(shape) * spec.dtype.itemsize for spec, shape in zip(specs, shapes, strict=True))
    if nbytes > _MOST:
        raise ModelError(f"made-up inputs would take {nbytes} bytes, at most {_MOST} are made up")
    sound = _is_sound(specs)
    length = _length(specs, shapes)
    return {
        spec.name: _array(spec, shape, length, sound, Attempt(first, others, scale, below), rng)
        for spec, shape in zip(specs, shapes, strict=True)
    }


def _shapes(specs: Sequence[InputSpec], first: int, others: int) -> list[list[int]]:
    """Return the shape of each input; what weights imply, and what symbols have in common, comes before ``others``."""
    symbols = [
        (symbol, _open_size(spec, axis, symbol, first, others))
        for spec in specs
        for axis, symbol in enumerate(spec.shape)
        if isinstance(symbol, str)
    ]
    sizes: dict[str, int] = {}
    for spec in specs:
        sizes |= {str(spec.shape[axis]): size for axis, size in spec.implied if isinstance(spec.shape[axis], str)}
    for symbol, size in sorted(symbols, key=lambda pair: pair[1] != first):  # what is a first dimension anywhere
        if _is_plain(symbol):
            sizes.setdefault(symbol, size)
    for symbol, size in symbols:
        if symbol not in sizes:
            sizes[symbol] = _computed(symbol, sizes) or size
    _add_up_totals(sizes)
    return [[_size(spec, axis, sizes, first, others) for axis in range(len(spec.shape))] for spec in specs]


def _open_size(spec: InputSpec, axis: int, symbol: str | None, first: int, others: int) -> int:
    """Return the size to try for an open dimension; states have their items in a later one."""
    counts_items = axis == 0 or _STATE.search(spec.name.lower()) or _BATCH.search((symbol or "").lower())
    return first if counts_items else others


def _size(spec: InputSpec, axis: int, sizes: dict[str, int], first: int, others: int) -> int:
    dimension = spec.shape[axis]
    if dimension is None:
        return dict(spec.implied).get(axis, _open_size(spec, axis, None, first, others))
    return sizes[dimension] if isinstance(dimension, str) else dimension


def _is_plain(symbol: str) -> bool:
    return not re.search(r"[+*]", symbol)


def _computed(symbol: str, sizes: dict[str, int]) -> int | None:
    """Return the size of a symbol such as ``past_length + 1``; None if something in it has no size."""
    total = 0
    for term in symbol.strip("() ").split("+"):
        product = 1
        for factor in map(str.strip, term.split("*")):
            size = int(factor) if factor.isdecimal() and len(factor) < 10 else sizes.get(factor)
            if size is None:
                return None
            product *= size
        total += product
    return total


def _add_up_totals(sizes: dict[str, int]) -> None:
    """Let a total length be that of the past and of what is new, as exporters of decoders name them."""
    past = [size for symbol, size in sizes.items() if "past" in symbol and "total" not in symbol and _is_plain(symbol)]
    new = [size for symbol, size in sizes.items() if re.fullmatch(r"(sequence|seq)_?(length|len)?", symbol)]
    if past and new:
        sizes |= {symbol: past[0] + new[0] for symbol in sizes if "total" in symbol}


def _is_sound(specs: Sequence[InputSpec]) -> bool:
    """Tell whether the inputs are samples of sound, which have no axis of channels or of features."""
    if any(_SAMPLE_RATE.search(spec.name.lower()) for spec in specs):
        return True
    return any(_could_be_sound(spec) and _SOUND.search(_words(spec)) for spec in specs)


def _could_be_sound(spec: InputSpec) -> bool:
    channels = spec.shape[1:-1]
    return spec.dtype.kind == "f" and len(channels) < 2 and not any(isinstance(n, int) and n > 2 for n in channels)


def _words(spec: InputSpec) -> str:
    return " ".join([spec.name, *map(str, spec.shape)]).lower()


def _length(specs: Sequence[InputSpec], shapes: Sequence[Sequence[int]]) -> int:
    """Return the size that inputs called lengths mean: of the open dimension after the first, of the largest input."""
    candidates = [
        (math.prod(shape), max((shape[axis] for axis in _open_axes(spec)), default=max(shape[1:], default=shape[0])))
        for spec, shape in zip(specs, shapes, strict=True)
        if shape
    ]
    return max(candidates, default=(1, 1))[1]


def _open_axes(spec: InputSpec) -> list[int]:
    return [axis for axis, size in enumerate(spec.shape) if axis and not isinstance(size, int)]


def _array(
    spec: InputSpec, shape: list[int], length: int, sound: bool, attempt: Attempt, rng: np.random.Generator
) -> np.ndarray:
    """Make one input up."""
    name = spec.name.lower()
    if spec.dtype.kind == "O":
        return np.full(shape, "a", dtype=object)
    if _SAMPLE_RATE.search(name) and math.prod(shape) == 1:
        return np.full(shape, _RATE, spec.dtype)
    if spec.dtype.kind == "b":
        masks = _MASK.search(name) is not None
        return np.full(shape, not _PADDING.search(name)) if masks else np.asarray(rng.random(shape) < 0.5)
    if spec.dtype.kind in "iu":
        return _integers(spec, shape, length, attempt, rng)
    if _MASK.search(name) or not shape:
        return np.ones(shape, spec.dtype)
    values = rng.standard_normal(shape) * attempt.scale
    if sound and _could_be_sound(spec) and shape[-1] >= _LEAST_SOUND:
        values = _tone(shape, rng) * attempt.scale + values / 100
    return values.astype(spec.dtype)


def _integers(spec: InputSpec, shape: list[int], length: int, attempt: Attempt, rng: np.random.Generator) -> np.ndarray:
    name = spec.name.lower()
    if _MASK.search(name):
        return np.ones(shape, spec.dtype)
    if _POSITION.search(name) and shape:
        return np.broadcast_to(np.arange(shape[-1]) % (spec.limit or shape[-1]), shape).astype(spec.dtype)
    if spec.limit is not None:
        return rng.integers(0, max(1, spec.limit), shape).astype(spec.dtype)
    if _LENGTH.search(name) and len(shape) <= 1:
        return np.full(shape, length).astype(spec.dtype)
    if spec.dtype == np.uint8:  # an image
        return rng.integers(0, 256, shape).astype(spec.dtype)
    if attempt.below is not None and shape:
        return rng.integers(0, attempt.below, shape).astype(spec.dtype)
    return np.ones(shape, spec.dtype)  # a length, a switch


def _tone(shape: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    """Return three harmonics of a voice's pitch, another one for each item."""
    pitch = rng.uniform(80, 400, (*shape[:-1], 1))
    time = np.arange(shape[-1]) / _RATE
    return np.asarray(sum(0.3 / k * np.sin(2 * np.pi * k * pitch * time + rng.uniform(0, 6)) for k in (1, 2, 3)))
