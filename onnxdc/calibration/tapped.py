"""A session of a model that yields tensors from its inside, too."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from typing import Final

import numpy as np
import onnx_ir as ir

from onnxdc.evaluate.runner import Runner, session_options
from onnxdc.evaluate.spread import items_of
from onnxdc.model_io.feeds import Feed, input_specs
from onnxdc.runtime import session
from onnxdc.runtime.ort import onnxruntime

MODEL: Final = "the model"  # what messages call it

_MOST: Final = 16  # items at a time, a choice: tensors of large convolutions take megabytes each


class Tapped:
    """A model that is run for some of its tensors.

    Args:
        model: The model, which is not changed.
        names: The names of tensors of its main graph.
        memory: The bytes that these tensors may take for a portion of data, unless it is of one item.
        custom_ops: Libraries of somebody's own operators that the model needs.

    Raises:
        ModelError: onnxruntime refuses the model.
    """

    def __init__(
        self, model: ir.Model, names: Collection[str], memory: int, custom_ops: Sequence[str | os.PathLike[str]] = ()
    ) -> None:
        copy = model.clone()
        made = {value.name: value for node in copy.graph for value in node.outputs}
        made.update(copy.graph.initializers.items())
        self._names = sorted(name for name in names if name in made)
        self._inputs = sorted(set(names) - made.keys())
        there = {value.name for value in copy.graph.outputs}
        copy.graph.outputs.extend(made[name] for name in self._names if name not in there)
        options = session_options(custom_ops)
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        self._runner = Runner(MODEL, session(copy, native=False, sess_options=options))
        self._is_open = all(spec.shape and not isinstance(spec.shape[0], int) for spec in input_specs(model, MODEL))
        self._memory, self._most = memory, 1  # nothing is known of the sizes before the first item

    def run(self, feed: Feed) -> Iterator[tuple[Feed, dict[str, np.ndarray]]]:
        """Run the model on a feed, in portions of whole items where it leaves their number open.

        Yields:
            Each portion of the feed, and the tensors by name.

        Raises:
            ModelError: onnxruntime cannot run the model on it.
        """
        items, start = items_of(feed), 0
        is_cut = self._is_open and all(array.ndim and len(array) == items for array in feed.values())
        while start < items:
            stop = min(start + self._most, items) if is_cut else items
            portion = {name: array[start:stop] for name, array in feed.items()} if is_cut else feed
            found = self._runner.run(portion, self._names) if self._names else []  # no names would mean all outputs
            tensors = dict(zip(self._names, found, strict=True))
            tensors |= {name: portion[name] for name in self._inputs}
            each = sum(tensor.nbytes for tensor in tensors.values()) // (stop - start)
            self._most = max(1, min(_MOST, self._memory // max(each, 1)))
            start = stop
            yield portion, tensors
