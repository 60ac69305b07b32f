"""Write the test vectors: `python -m tests.vectors.make` from the root. A file that exists is never written again."""

from __future__ import annotations

from pathlib import Path

import onnx

from tests.vectors import bad_plain, bad_streams, bad_tensors, good_cases, slow_decoder, vector_file

HERE = Path(__file__).parent


def main() -> None:
    """Add the vectors that are not there yet."""
    for name, (array, weight) in good_cases.all_cases().items():
        assert slow_decoder.decode(weight).tobytes() == array.tobytes(), name
        add(HERE / "good" / f"{name}.onnx", vector_file.to_model(weight))
        add(HERE / "good" / f"{name}.expected.pb", vector_file.to_proto("W", array))
    for name, weight in (bad_tensors.all_cases() | bad_streams.all_cases() | bad_plain.all_cases()).items():
        add(HERE / "bad" / f"{name}.onnx", vector_file.to_model(weight))


def add(path: Path, message: onnx.ModelProto | onnx.TensorProto) -> None:
    """Vectors are append-only: what a released decoder reads, every later one reads."""
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(message.SerializeToString(deterministic=True))


if __name__ == "__main__":
    main()
