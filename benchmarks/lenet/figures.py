"""The paper's figures 6 and 8, measured on LeNet-300-100 and drawn by matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeAlias

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import onnxdc
from lenet.mnist import Mnist
from lenet.networks import LENET_300_100 as NETWORK
from lenet.stages import error, finetune, onnxdc_command, teaching, train_reference

DENSITIES: Final = (0.3, 0.1, 0.05, 0.03, 0.02, 0.012, 0.008)  # figure 6: of all weights, ranked together
BITS: Final = (5, 4, 3, 2, 1)  # likewise: of codes, without pruning
BITS_BOTH: Final = 3  # likewise, with pruning
DENSITY_8: Final = 0.08  # figure 8: the paper's for this network
BITS_8: Final = (2, 3, 4, 5, 6)
INITS: Final = ("linear", "density", "random")
_GRAY: Final = "#808080"  # readable on white and on black, as are the colours
_COLOURS: Final = ("#d1495b", "#2e86ab", "#3a9d5d")
_Points: TypeAlias = Sequence[tuple[float, float]]


def draw(data: Mnist, folder: Path, docs: Path, *, quick: bool, threads: int | None) -> None:
    """Measure both figures and write ``figure6.svg`` and ``figure8.svg``.

    Args:
        data: What the network learns.
        folder: Where the networks go.
        docs: Where the pictures go.
        quick: Whether to train each point for one epoch.
        threads: How many training takes; None for as many as torch takes.
    """
    curves = Curves(data, folder, 1 if quick else 6, threads)
    train_reference(NETWORK, data, curves.reference, (NETWORK.quick if quick else NETWORK.epochs).reference)
    reference = 100 - error(curves.reference, data.test)
    save(figure_6(curves.by_ratio(), reference), docs / "figure6.svg")
    save(figure_8(curves.by_bits(), reference), docs / "figure8.svg")


class Curves:
    """What each point of the curves takes: a network pruned, shared, trained and measured."""

    def __init__(self, data: Mnist, folder: Path, epochs: int, threads: int | None) -> None:
        self._data, self._folder, self._epochs = data, folder, epochs
        self.reference = folder / "figures_reference.onnx"
        self._options = teaching(self.reference, threads)

    def by_ratio(self) -> dict[str, _Points]:
        """Measure figure 6: ratio and accuracy of pruning only, of sharing only, and of both."""
        pruned = [self._pruned(density) for density in DENSITIES]
        shared = [self._tuned(self._shared(self.reference, bits, "linear")) for bits in BITS]
        both = [self._tuned(self._shared(model, BITS_BOTH, "linear")) for model in pruned]
        return {
            "pruning and sharing": [self._point(model) for model in both],
            "pruning only": [self._point(model) for model in pruned],
            "sharing only": [self._point(model) for model in shared],
        }

    def by_bits(self) -> dict[str, tuple[_Points, _Points]]:
        """Measure figure 8: bits and accuracy of each initialisation, as k-means leaves it and with trained values."""
        pruned = self._pruned(DENSITY_8)
        curves: dict[str, tuple[_Points, _Points]] = {}
        for init in INITS:
            models = [self._shared(pruned, bits, init) for bits in BITS_8]
            before = [self._accuracy(model) for model in models]
            after = [self._accuracy(self._tuned(model)) for model in models]
            curves[init] = list(zip(BITS_8, before, strict=True)), list(zip(BITS_8, after, strict=True))
        return curves

    def _pruned(self, density: float) -> Path:
        path = self._folder / f"figures_pruned_{density}.onnx"
        options = [f"--global-density={density}", "--regrow", "--mask-interval=16", *self._options]
        finetune(self.reference, path, self._data, self._epochs, *options)
        return path

    def _shared(self, model: Path, bits: int, init: str) -> Path:
        path = model.with_name(f"{model.stem}_{bits}_{init}.onnx")
        onnxdc_command("share", model, path, "--sharing=kmeans", f"--bits={bits}", f"--init={init}")
        return path

    def _tuned(self, model: Path) -> Path:
        path = model.with_name(f"{model.stem}_tuned.onnx")
        finetune(model, path, self._data, max(1, self._epochs // 2), *self._options)
        return path

    def _point(self, model: Path) -> tuple[float, float]:
        """Return the ratio of the weights without Huffman coding (equation 1 where shared), and the accuracy."""
        total = onnxdc.inspect(model).total
        small = total.pruned_bytes if total.shared_bytes is None else total.shared_bytes
        return total.dense_bytes / small, self._accuracy(model)

    def _accuracy(self, model: Path) -> float:
        return 100 - error(model, self._data.test)


def figure_6(curves: dict[str, _Points], reference: float) -> Figure:
    """Draw accuracy against ratio."""
    figure, axes = _axes("compression ratio of the weights, without Huffman coding")
    for colour, (name, points) in zip(_COLOURS, curves.items(), strict=True):
        ratios, accuracies = zip(*sorted(points), strict=True)
        axes.plot(ratios, accuracies, "o-", color=colour, label=name)
    ticks = (5, 10, 20, 50, 100, 200, 500)
    axes.set_xscale("log")
    axes.set_xticks(ticks, [f"{ratio}x" for ratio in ticks], minor=False)
    axes.minorticks_off()
    _finish(axes, reference)
    return figure


def figure_8(curves: dict[str, tuple[_Points, _Points]], reference: float) -> Figure:
    """Draw accuracy against bits: dashed as k-means leaves it, solid with trained values."""
    figure, axes = _axes("bits of a shared weight")
    for colour, (init, (before, after)) in zip(_COLOURS, curves.items(), strict=True):
        axes.plot(*zip(*before, strict=True), "o:", color=colour, markersize=3, label=f"{init}, not trained")
        axes.plot(*zip(*after, strict=True), "o-", color=colour, label=f"{init}, trained")
    axes.set_xticks(BITS_8)
    _finish(axes, reference)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a picture without a background; the same one for the same points."""
    with mpl.rc_context({"svg.hashsalt": path.stem, "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure.savefig(path, transparent=True, metadata={"Date": None})


def _axes(x_label: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(x_label, color=_GRAY)
    axes.set_ylabel("right on the test images, %", color=_GRAY)
    axes.tick_params(colors=_GRAY)
    axes.spines[["top", "right"]].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(_GRAY)
    axes.grid(color=_GRAY, alpha=0.25)
    return figure, axes


def _finish(axes: Axes, reference: float) -> None:
    """Add the line of the reference, and a range that shows where the curves part from it."""
    axes.axhline(reference, color=_GRAY, linestyle="--", linewidth=1, label="dense")
    axes.set_ylim(bottom=max(axes.get_ylim()[0], reference - 6), top=reference + 0.5)
    axes.legend(frameon=False, labelcolor=_GRAY, fontsize="small")
