"""The fuzzers' own parts: damage can be repeated, findings are told apart, the seeds reach the targets."""

from __future__ import annotations

import random
from pathlib import Path

import onnx
import pytest

from onnxdc.errors import ModelError
from tests.fuzz import child, seeds
from tests.fuzz.models import compressed_models, dense_models
from tests.fuzz.mutator import messages, mutate


def damaged(seed: int) -> tuple[bytes, list[str]]:
    models = list(dense_models())
    rng = random.Random(seed)
    model = rng.choice(models)
    done = mutate(model, models, rng)
    return model.SerializeToString(), done


def test_the_same_seed_does_the_same_damage():
    assert damaged(3) == damaged(3)
    assert len({damaged(seed)[0] for seed in range(20)}) > 15


def test_models_to_start_from_are_valid_and_most_are_compressed():
    for model in dense_models():
        onnx.checker.check_model(model)
    compressed = [any(node.domain == "onnxdc" for node in model.graph.node) for model in compressed_models()]
    assert all(compressed)
    assert len(compressed) > 20


def test_all_messages_are_found():
    model = next(dense_models())
    kinds = {message.DESCRIPTOR.name for message in messages(model)}
    assert {"ModelProto", "GraphProto", "NodeProto", "AttributeProto", "TensorProto", "Dimension"} <= kinds


class RawError(ModelError):
    """An error that shows its text as it is, as none should."""

    def __str__(self) -> str:
        return str(self.args[0])


def fail(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (None, "ok"),
        (ModelError("x: no such file"), "refused"),
        (RawError("two\nlines"), "control"),
        (RawError("\x1b[31m"), "control"),
        (RawError("a" * 5000), "long"),
        (KeyError("x"), "traceback"),
        (MemoryError(), "traceback"),
    ],
)
def test_outcomes_are_told_apart(error, kind, monkeypatch, tmp_path):
    monkeypatch.setitem(child.VERBS, "inspect", lambda _, __: error and fail(error))
    assert child.outcome("inspect", "x", tmp_path)["kind"] == kind


def test_vectors_become_seeds(tmp_path):
    seeds.main(tmp_path)
    decoder, ops = (sorted((tmp_path / name).iterdir()) for name in ("fuzz_decoder", "fuzz_ops"))
    assert len(decoder) > 100
    assert len(ops) > 500
    path = Path(seeds.VECTORS) / "good" / "typical.onnx"
    (data,) = seeds.seeds(path)["fuzz_decoder"]
    lengths = [int.from_bytes(data[i : i + 2], "little") for i in range(8, 24, 2)]
    graph = onnx.load(path).graph
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    assert lengths == [len(tensors[name].raw_data) for name in graph.node[0].input]
