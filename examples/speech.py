"""A speech detector for the browser: trained here on sounds that are computed, made small, for examples/speech.

    python examples/speech.py        # half a minute; writes plain.onnx, small.onnx and sample.wav

The sounds are vowels and hisses in the rhythm of syllables, and noises, hums and chords: enough to see the route,
and no measure of what a detector does with real voices. The model takes `audio`, float32 [N, 4096] of 16 kHz, and
returns `probability` [N, 2]; the second one is that of speech. Another model of this form goes through the same code.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Final

import click
import numpy as np
import onnx
from onnx import helper, numpy_helper
from scipy.io import wavfile
from scipy.signal import lfilter

import onnxdc
from train import Flatten, Gemm, Layer, Relu, train

HERE: Final = Path(__file__).parent
RATE: Final = 16_000  # samples a second
CHUNK: Final = 4096  # samples that are judged together, a quarter of a second
HOP: Final = CHUNK // 2  # from one chunk to the next
FRAMES: Final = 16  # of a chunk
FRAME: Final = CHUNK // FRAMES
BANDS: Final = 32
VOWELS: Final = ((730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480), (570, 840, 2410))  # Hz
FLOOR: Final = 1e-6  # of the energy of a band
EPOCHS: Final = 12
TURNS: Final = 640  # of a second, of speech and other sounds, to train on


def speech(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Return syllables, float64 [samples] between -1 and 1: a buzz through the resonances of a vowel, and hisses."""
    parts: list[np.ndarray] = []
    pitch = rng.uniform(90, 230)
    while sum(part.size for part in parts) < seconds * RATE:
        length = int(rng.uniform(0.12, 0.28) * RATE)
        time = np.arange(length) / RATE
        glide = pitch * (1 + rng.uniform(-0.15, 0.15) * time / time[-1] + 0.02 * np.sin(2 * np.pi * 5 * time))
        phase = np.cumsum(glide) / RATE % 1
        sound = np.diff(phase, prepend=0) - 0.02 * rng.normal(size=length)
        for formant in VOWELS[rng.integers(len(VOWELS))]:
            sound = _resonance(sound, formant * rng.uniform(0.9, 1.15), 90)
        parts.append(sound / np.abs(sound).max() * np.hanning(length) ** 0.5)
        hiss = rng.normal(size=int(rng.uniform(0.02, 0.09) * RATE))
        parts.append(0.15 * _resonance(hiss, rng.uniform(2500, 6000), 1500) * np.hanning(len(hiss)))
    return np.concatenate(parts)[: int(seconds * RATE)]


def other(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Return a sound that is none of speech, float64 [samples] between -1 and 1."""
    count = int(seconds * RATE)
    time = np.arange(count) / RATE
    kind = rng.integers(4)
    if kind == 0:  # a hiss or a rumble
        sound = lfilter([1], [1, -rng.uniform(0, 0.98)], rng.normal(size=count))
    elif kind == 1:  # a hum
        base = rng.choice([50, 60, 100, 120])
        sound = sum(np.sin(2 * np.pi * base * n * time) / n ** rng.uniform(0.5, 2) for n in range(1, 12))
    elif kind == 2:  # a chord
        notes = 110 * 2 ** (rng.integers(0, 36, 3) / 12)
        sound = sum(np.sin(2 * np.pi * note * n * time) / n for note in notes for n in range(1, 5))
    else:  # clicks
        sound = _resonance((rng.random(count) < 20 / RATE) * rng.normal(size=count), rng.uniform(500, 5000), 400)
    return np.asarray(sound / max(np.abs(sound).max(), FLOOR))


def recording(rng: np.random.Generator, turns: int, seconds: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Return speech and other sounds by turns over a noise: float32 [samples], and whether each sample is speech."""
    parts = [
        (speech, other)[turn % 2](rng, seconds * rng.uniform(0.7, 1.3)) * rng.uniform(0.1, 0.5) for turn in range(turns)
    ]
    is_speech = np.concatenate([np.full(len(part), turn % 2 == 0) for turn, part in enumerate(parts)])
    noise = rng.normal(size=len(is_speech)) * 10 ** rng.uniform(-4, -2)
    return np.clip(np.concatenate(parts) + noise, -1, 1).astype(np.float32), is_speech


def sample() -> tuple[np.ndarray, np.ndarray]:
    """Return the recording that the page shows."""
    return recording(np.random.default_rng(7), 8, 2.0)


def chunks(samples: np.ndarray) -> np.ndarray:
    """Return overlapping chunks ``[N, 4096]`` of samples, one each 2048."""
    return np.lib.stride_tricks.sliding_window_view(samples, CHUNK)[::HOP]


def segments(probabilities: np.ndarray) -> list[tuple[float, float]]:
    """Return where speech starts and ends, in seconds, from its probability in each chunk."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], probabilities > 0.5, [False]])))
    return [(start * HOP / RATE, ((end - 1) * HOP + CHUNK) / RATE) for start, end in pairwise(edges.tolist())][::2]


def spectrum() -> tuple[np.ndarray, np.ndarray]:
    """Return the windowed Fourier transform of a frame [256, 258], and what adds up squares to bands [258, 32]."""
    bins = np.arange(FRAME // 2 + 1)
    turns = 2 * np.pi * np.outer(np.arange(FRAME), bins) / FRAME
    transform = np.hanning(FRAME)[:, None] * np.hstack([np.cos(turns), np.sin(turns)])
    mel = 2595 * np.log10(1 + bins * RATE / FRAME / 700)
    centres = np.linspace(0, mel[-1], BANDS + 2)[1:-1]
    bands = np.maximum(0, 1 - np.abs(mel[:, None] - centres) / (centres[1] - centres[0]))
    return transform.astype(np.float32), np.vstack([bands, bands]).astype(np.float32)


def features(audio: np.ndarray) -> np.ndarray:
    """Return the logarithms of the energies of bands, less their mean: float32 [N, 1, 16, 32]."""
    transform, bands = spectrum()
    energy = (audio.reshape(-1, FRAMES, FRAME) @ transform) ** 2 @ bands
    logs: np.ndarray = np.log(energy + np.float32(FLOOR))
    return np.asarray((logs - logs.mean((1, 2), keepdims=True))[:, None])


def network(rng: np.random.Generator) -> list[Layer]:
    """Make the layers that learn: 53,856 weights."""
    layers: list[Layer] = [Flatten(), Gemm("fc1", (96, FRAMES * BANDS), rng), Relu()]
    return [*layers, Gemm("fc2", (48, 96), rng), Relu(), Gemm("fc3", (2, 48), rng)]


def export(layers: list[Layer]) -> onnx.ModelProto:
    """Return the model from audio to probabilities: the features, the layers, a softmax."""
    transform, bands = spectrum()
    tensors = {"transform": transform, "bands": bands, "floor": np.array(FLOOR, np.float32)}
    tensors |= {"frames": np.array([-1, FRAMES, FRAME]), "axes": np.array([1, 2])}
    nodes = [
        helper.make_node("Reshape", ["audio", "frames"], ["framed"]),
        helper.make_node("MatMul", ["framed", "transform"], ["waves"]),
        helper.make_node("Mul", ["waves", "waves"], ["squares"]),
        helper.make_node("MatMul", ["squares", "bands"], ["energies"]),
        helper.make_node("Add", ["energies", "floor"], ["above"]),
        helper.make_node("Log", ["above"], ["logs"]),
        helper.make_node("ReduceMean", ["logs", "axes"], ["mean"]),
        helper.make_node("Sub", ["logs", "mean"], ["features"]),
    ]
    source = "features"
    for number, layer in enumerate(layers):
        node, initializers = layer.node(source, f"layer_{number}")
        nodes.append(node)
        tensors |= initializers
        source = f"layer_{number}"
    nodes.append(helper.make_node("Softmax", [source], ["probability"]))
    values = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["N", size])
        for name, size in (("audio", CHUNK), ("probability", 2))
    ]
    constants = [numpy_helper.from_array(array, name) for name, array in tensors.items()]
    graph = helper.make_graph(nodes, "speech", values[:1], values[1:], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def examples(rng: np.random.Generator, turns: int) -> tuple[np.ndarray, np.ndarray]:
    """Return chunks that are all speech, or none, and which they are: float32 [N, 4096], int64 [N]."""
    made = [recording(rng, 8) for _ in range(turns // 8)]
    audio = np.concatenate([chunks(samples) for samples, _ in made])
    shares = np.concatenate([chunks(is_speech).mean(1) for _, is_speech in made])
    clear = (shares < 0.1) | (shares > 0.9)
    return audio[clear], (shares[clear] > 0.5).astype(np.int64)


def _resonance(sound: np.ndarray, frequency: float, width: float) -> np.ndarray:
    radius = np.exp(-np.pi * width / RATE)
    return np.asarray(lfilter([1 - radius], [1, -2 * radius * np.cos(2 * np.pi * frequency / RATE), radius**2], sound))


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=HERE / "speech")
def main(folder: Path) -> None:
    """Train a detector, compress it, and write both with a sample to FOLDER."""
    rng = np.random.default_rng(0)
    audio, labels = examples(rng, TURNS)
    layers = network(rng)
    train(layers, features(audio), labels, EPOCHS, rng)
    plain, small = folder / "plain.onnx", folder / "small.onnx"
    onnx.save(export(layers), plain)

    held_back, truth = examples(rng, TURNS // 4)
    val = {"audio": held_back[::2], "labels": truth[::2]}
    onnxdc.compress(plain, data={"audio": audio[::20]}, val=val, max_drop=1, strip=True).save(small)
    wavfile.write(folder / "sample.wav", RATE, (sample()[0] * 32767).astype(np.int16))

    print(f"{plain.stat().st_size:,} bytes became {small.stat().st_size:,}")
    for path in (plain, small):
        answers = onnxdc.session(path).run(None, {"audio": held_back[1::2]})[0].argmax(1)
        print(f"{path.name}: {np.mean(answers == truth[1::2]):.2%} of {len(answers)} chunks are right")


if __name__ == "__main__":
    main()
