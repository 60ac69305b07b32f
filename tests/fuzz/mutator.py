"""Damage to a ModelProto that keeps it one: fields get edge values, messages move, vanish, repeat and trade places.

What a field means decides what it becomes: names become other names of the model, so that cycles and duplicates come
up; dimensions become negative, huge or zero; a tensor's bytes no longer fit its shape.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import onnx
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

INTEGERS = (0, 1, -1, 2, 3, 7, 16, 100, 255, 2**15, 2**31 - 1, 2**31, -(2**31), 2**40, 2**63 - 1, -(2**63))
FLOATS = (0.0, 1.0, -1.0, float("nan"), float("inf"), 1e38, 1e-45)
TEXTS = (
    "", "x", "\x00", "two\nlines", "\x1b[31mred", "[bold]", "../../../etc/passwd", "/etc/passwd", "a" * 10_000,
    "\u202e", "onnxdc", "onnxdc.empty", "onnxdc.origin", "onnxdc.recipe", "location", "offset", "length", "SAME_UPPER",
    "Conv", "MatMul", "Gemm", "Gather", "Constant", "If", "Loop", "DecodeWeight", "SparseQuantGemm", "ai.onnx", "f",
    "DecodeDenseGrid", "Symbols", "SparseSymbols2",
)  # fmt: skip
BYTES = (b"", b"\0", b"\xff" * 7, b"\0" * 64, b"\x80\xff", b"x" * 5000)
# Messages that decide more than others, so that half of all damage is done to them.
WEIGHTY = {"NodeProto", "TensorProto", "AttributeProto", "ValueInfoProto", "FunctionProto", "OperatorSetIdProto"}
MAX_BYTES = 1 << 20  # of a damaged model: copies of copies stay small


def mutate(model: onnx.ModelProto, others: list[onnx.ModelProto], rng: random.Random) -> list[str]:
    """Change one to four things in place, and say what."""
    return [_damage(model, others, rng) for _ in range(rng.choice((1, 1, 1, 2, 3, 4)))]


def messages(message: Message) -> Iterator[Message]:
    """A message and all within it."""
    pending = [message]
    while pending:
        current = pending.pop()
        yield current
        for field, value in current.ListFields():
            if field.type == FieldDescriptor.TYPE_MESSAGE:
                pending.extend(value if field.is_repeated else [value])


def _damage(model: onnx.ModelProto, others: list[onnx.ModelProto], rng: random.Random) -> str:
    every = list(messages(model))
    weighty = [message for message in every if message.DESCRIPTOR.name in WEIGHTY]
    message = rng.choice(weighty if weighty and rng.random() < 0.5 else every)
    if rng.random() < 0.05:
        return _transplant(message, rng.choice(others), rng)
    field = rng.choice(message.DESCRIPTOR.fields)
    change = _change_list if field.is_repeated else _change_field
    return f"{message.DESCRIPTOR.name}.{field.name}: {change(message, field, model, rng)}"


def _transplant(message: Message, other: onnx.ModelProto, rng: random.Random) -> str:
    """Put a message of the same kind of another model in its place."""
    kind = message.DESCRIPTOR.name
    donors = [donor for donor in messages(other) if donor.DESCRIPTOR.name == kind]
    if donors and kind != "ModelProto":
        message.CopyFrom(rng.choice(donors))
    return f"{kind}: of another model"


def _change_field(message: Message, field: FieldDescriptor, model: onnx.ModelProto, rng: random.Random) -> str:
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        if message.HasField(field.name) and rng.random() < 0.6:
            message.ClearField(field.name)
            return "gone"
        getattr(message, field.name).SetInParent()
        return "empty"
    if rng.random() < 0.25:
        message.ClearField(field.name)
        return "gone"
    value = _value(field, model, rng, getattr(message, field.name))
    setattr(message, field.name, value)
    return repr(value)[:60]


def _change_list(message: Message, field: FieldDescriptor, model: onnx.ModelProto, rng: random.Random) -> str:
    items = getattr(message, field.name)
    action = rng.choice(("remove", "repeat", "swap", "clear", "add", "set"))
    if action == "clear":
        message.ClearField(field.name)
    elif action == "remove" and items:
        del items[rng.randrange(len(items))]
    elif field.type == FieldDescriptor.TYPE_MESSAGE:
        _change_messages(items, action, rng, room=model.ByteSize() < MAX_BYTES)
    elif action == "repeat" and items:
        items.extend([rng.choice(items)] * rng.choice((1, 1, 1, 50)))
    elif action == "set" and items:
        i = rng.randrange(len(items))
        items[i] = _value(field, model, rng, items[i])
    else:
        items.append(_value(field, model, rng, None))
    return action


def _change_messages(items: Any, action: str, rng: random.Random, *, room: bool) -> None:
    if action == "swap" and len(items) > 1:
        i, j = rng.sample(range(len(items)), 2)
        kept = type(items[i])()
        kept.CopyFrom(items[i])
        items[i].CopyFrom(items[j])
        items[j].CopyFrom(kept)
    elif items and room:
        kept = type(items[0])()
        kept.CopyFrom(rng.choice(items))
        for _ in range(rng.choice((1, 1, 1, 20))):
            items.add().CopyFrom(kept)
    else:
        items.add()


def _value(field: FieldDescriptor, model: onnx.ModelProto, rng: random.Random, old: Any) -> Any:
    """A value for a field, or for an element of it."""
    kinds = FieldDescriptor
    if field.type == kinds.TYPE_STRING:
        return _name(model, rng) if rng.random() < 0.7 else rng.choice(TEXTS)
    if field.type == kinds.TYPE_BYTES:
        return _bytes(old or b"", rng)
    if field.type in (kinds.TYPE_FLOAT, kinds.TYPE_DOUBLE):
        return rng.choice(FLOATS)
    if field.type == kinds.TYPE_ENUM:
        return rng.choice(field.enum_type.values).number
    number = rng.choice(INTEGERS) if rng.random() < 0.6 or not isinstance(old, int) else old + rng.choice((-1, 1, 8))
    low, high = {
        kinds.TYPE_INT32: (-(2**31), 2**31 - 1),
        kinds.TYPE_UINT64: (0, 2**64 - 1),
    }.get(field.type, (-(2**63), 2**63 - 1))
    return min(max(number, low), high)


def _name(model: onnx.ModelProto, rng: random.Random) -> str:
    """A name that something in the model has."""
    names = [value for message in messages(model) if isinstance(value := getattr(message, "name", None), str)]
    return rng.choice(names or [""])


def _bytes(old: bytes, rng: random.Random) -> bytes:
    """Other bytes: fewer, more, or a few of them changed."""
    action = rng.randrange(4)
    if action == 0 or not old:
        return rng.choice(BYTES)
    at = rng.randrange(len(old))
    if action == 1:
        return old[:at]
    if action == 2:
        return old + old[:at]
    return old[:at] + bytes([old[at] ^ 1 << rng.randrange(8)]) + old[at + 1 :]
