"""Drop what exporters write for readers: texts, inner names, small copies, shapes and attributes that hold anyway.

A model computes the same without them. Its inputs, outputs, weights and functions keep their names and types, and the
metadata of the model itself stays, with the name of the program that made it. Before encoding, so that nothing of it is
kept for the way back::

    stripped = strip(plan)
    encode(plan)
    stripped += strip_encoded(plan)

Shapes go after encoding, which looks at them, and knows by then which operators a runtime cannot look through; and the
names that encoding gives get shorter.
"""

from __future__ import annotations

from onnxdc.domain.origin import Origins
from onnxdc.graph.constants import constant_tensor
from onnxdc.graph.weights import named_constants
from onnxdc.passes.plan import Plan
from onnxdc.passes.strip.attributes import drop_default_attributes
from onnxdc.passes.strip.equal import merge_equal_constants
from onnxdc.passes.strip.measure import strippable_bytes
from onnxdc.passes.strip.names import shorten_encoded_names, shorten_names
from onnxdc.passes.strip.shapes import drop_implied_shapes, drop_shapes_of_constants
from onnxdc.passes.strip.texts import drop_texts

__all__ = ["strip", "strip_encoded", "strippable_bytes"]


def strip(plan: Plan) -> int:
    """Drop texts, attributes at defaults, copies of constants and their value_info, and shorten names.

    The plan stays true.

    Names of constants that are large enough for a weight stay: recipes and reports call weights by them.

    Args:
        plan: The weights; their model is changed in place.

    Returns:
        The bytes that the model is smaller by.
    """
    tensors = {constant.value: constant_tensor(constant.value) for constant in named_constants(plan.model)}
    kept = {value for value, tensor in tensors.items() if tensor is None or tensor.size >= plan.recipe.min_elements}
    dropped = drop_texts(plan.model) + drop_default_attributes(plan.model) + drop_shapes_of_constants(tensors)
    dropped += merge_equal_constants(plan.model, kept)
    return dropped + shorten_names(plan.model, kept)


def strip_encoded(plan: Plan) -> int:
    """Shorten the names that encoding gave, and drop the shapes that follow anyway.

    Returns:
        The bytes that the model is smaller by.
    """
    origins = Origins.take(plan.model)
    origins.store(plan.model)
    return shorten_encoded_names(plan.model, origins.fused) + drop_implied_shapes(plan.model)
