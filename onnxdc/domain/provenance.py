"""Which version of onnxdc made a compressed model, and by which options: the metadata entry ``onnxdc.recipe``.

It is JSON with the version and what the stages that ran were told beyond their defaults; no paths, times or users::

    {"onnxdc": "0.1.0", "prune": {"density": 0.3}, "share": {"bits": 6}, "encode": {}}

Decoding removes it. Nothing depends on it, so an entry that is damaged counts as none.
"""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import onnx_ir as ir

KEY: Final = "onnxdc.recipe"
_VERSION: Final = "onnxdc"
_BEFORE: Final = "before"  # what the model had under this key already


@dataclass(frozen=True)
class Provenance:
    """What a compressed model says of how it was made.

    Attributes:
        version: The version of onnxdc.
        options: What each stage that ran was told, by its name; ``"rules"`` has the rules.
    """

    version: str
    options: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return the entry as it stands in the model."""
        return {_VERSION: self.version, **self.options}

    def __str__(self) -> str:
        """Return the version and the options, such as ``onnxdc 0.1.0: prune density=0.3, share, encode``."""
        stages = [f"{name} {_shown(said)}".rstrip() for name, said in self.options.items()]
        return f"onnxdc {self.version}: {', '.join(stages)}" if stages else f"onnxdc {self.version}"


def _shown(said: Any) -> str:
    """Return the options of a stage in words; JSON for what is none, such as rules."""
    if not isinstance(said, dict):
        return json.dumps(said, ensure_ascii=False)
    return " ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in said.items())


def store(model: ir.Model, options: Mapping[str, Any]) -> None:
    """Write the entry.

    Args:
        model: The model, which is changed in place.
        options: What each stage that ran was told.
    """
    content = Provenance(importlib.metadata.version("onnxdc"), options).to_dict()
    if KEY in model.metadata_props:
        content[_BEFORE] = model.metadata_props[KEY]
    model.metadata_props[KEY] = json.dumps(content, separators=(",", ":"), ensure_ascii=False)


def extend(model: ir.Model, stage: str, said: Mapping[str, Any]) -> None:
    """Add to the entry of a model what another stage has to say; there must be an entry."""
    content = json.loads(model.metadata_props[KEY])
    before = content.pop(_BEFORE, None)
    content |= {stage: dict(said)} | ({} if before is None else {_BEFORE: before})
    model.metadata_props[KEY] = json.dumps(content, separators=(",", ":"), ensure_ascii=False)


def take(model: ir.Model) -> Provenance | None:
    """Read the entry and remove it, so that the model has what it had before; None if it has none of ours."""
    content = _content(model.metadata_props.get(KEY, ""))
    if content is None:
        return None
    before = content.pop(_BEFORE, None)
    if isinstance(before, str):
        model.metadata_props[KEY] = before
    else:
        del model.metadata_props[KEY]
    return Provenance(content.pop(_VERSION), content)


def _content(text: str) -> dict[str, Any] | None:
    """Return what an entry says, None if it is none that ``store`` writes."""
    try:
        content = json.loads(text)
        json.dumps(content, ensure_ascii=False).encode()  # a text may have half of a surrogate pair
    except (ValueError, RecursionError):
        return None
    ours = isinstance(content, dict) and isinstance(content.get(_VERSION), str) and all(map(_is_said, content.values()))
    return content if ours else None


def _is_said(value: Any) -> bool:
    """Tell whether a value is a text, the options of a stage, or a list of those."""
    if isinstance(value, list):
        return all(isinstance(rule, dict) and _is_said(rule) for rule in value)
    if isinstance(value, dict):
        return not any(isinstance(each, dict | list) for each in value.values())
    return isinstance(value, str)
