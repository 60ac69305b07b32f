"""Both example models through everything: prune, share, encode, decode, and run, natively and portably.

    make demo

Every number is computed here and now, on the handwritten digits that were held out of the training.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime

import onnxdc

HERE: Final = Path(__file__).parent
TIMED_RUNS: Final = 300


def main() -> None:
    """Show both models."""
    with np.load(HERE / "digits_test.npz") as test:
        digits, labels = test["input"], test["labels"]
    print(f"onnxruntime {onnxruntime.__version__}, kernels for {onnxdc.isa()}, {len(labels)} test digits")
    with tempfile.TemporaryDirectory() as directory:
        for name in ("lenet_300_100", "digits_cnn"):
            print(f"\n{name}")
            show(HERE / f"{name}.onnx", HERE / f"{name}.toml", Path(directory), digits, labels)


def show(original: Path, recipe_file: Path, directory: Path, digits: np.ndarray, labels: np.ndarray) -> None:
    """Take one model through all stages; each reads the file that the stage before wrote."""
    pruned, shared, small, decoded = (directory / f"{stage}.onnx" for stage in ("pruned", "shared", "small", "decoded"))
    recipe = onnxdc.Recipe.from_toml(recipe_file)
    onnxdc.prune(original, recipe).save(pruned)
    onnxdc.share(pruned, recipe).save(shared)
    encoded = onnxdc.encode(shared, recipe)
    encoded.save(small)
    onnxdc.decode(small).save(decoded)
    print(encoded.report)

    same = decoded.read_bytes() == shared.read_bytes()
    print(f"decode gives the shared model back, bit for bit: {'yes' if same else 'NO'}")

    stages = {"original": original, "pruned": pruned, "shared": shared}
    dense = {stage: onnxdc.session(path, native=False) for stage, path in stages.items()}
    native, portable = onnxdc.session(small, native=True), onnxdc.session(small, native=False)
    for stage, session in {**dense, "small, native": native, "small, portable": portable}.items():
        logits = run(session, digits)
        print(f"{stage + ':':16} {np.mean(logits.argmax(1) == labels):.2%} of the digits are right")

    difference = np.abs(run(native, digits) - run(portable, digits)).max()
    largest = np.abs(run(portable, digits)).max()
    print(f"native and portable logits differ by {difference:.1e} at most, of {largest:.1f}")
    for batch in (1, 64):
        ratio = time_ratio(dense["original"], native, digits[:batch])
        print(f"native runs at {ratio:.2f} times the speed of the original, {batch} digits at a time")


def run(session: onnxruntime.InferenceSession, digits: np.ndarray) -> np.ndarray:
    """Return the logits, float32 [n, 10]."""
    return np.asarray(session.run(None, {"input": digits})[0])


def time_ratio(a: onnxruntime.InferenceSession, b: onnxruntime.InferenceSession, digits: np.ndarray) -> float:
    """Return the median time of ``a`` over that of ``b``, measured in turn so that both meet the same noise."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(TIMED_RUNS):
        for session, seconds in zip((a, b), times, strict=True):
            start = time.perf_counter()
            run(session, digits)
            seconds.append(time.perf_counter() - start)
    return statistics.median(times[0]) / statistics.median(times[1])


if __name__ == "__main__":
    main()
