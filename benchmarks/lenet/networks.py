"""The networks of the experiment, and how each is trained and compressed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

Architecture: TypeAlias = Literal["lenet_300_100", "lenet_5"]


@dataclass(frozen=True)
class Epochs:
    """How long to train.

    Attributes:
        reference: The epochs of the dense network.
        pruned: The epochs while weights are pruned.
        shared: The epochs after they are shared.
    """

    reference: int
    pruned: int
    shared: int


@dataclass(frozen=True)
class Network:
    """A network of the paper, and how it is compressed.

    Attributes:
        name: Its name in the paper.
        stem: How the names of its files begin.
        architecture: Its layers.
        epochs: The epochs of the full run.
        quick: The epochs of the quick one.
        ramp: The share of the training in which the density falls.
        settle: The share of it, at the end, in which masks stay. Long where an epoch is worth much.
        shift: Pixels by which training images are moved at random, for the reference as for the compressed network.
        lr: The learning rate of the reference.
        weight_decay: The weight decay of the reference.
        milder: Whether it is a second recipe for the network, which keeps more.
    """

    name: str
    stem: str
    architecture: Architecture
    epochs: Epochs
    quick: Epochs
    ramp: float
    settle: float
    shift: int = 0
    lr: float = 1e-3
    weight_decay: float = 1e-2
    milder: bool = False

    @property
    def title(self) -> str:
        """What to call it."""
        return f"{self.name}, milder" if self.milder else self.name


LENET_300_100: Final = Network(
    "LeNet-300-100", "lenet_300_100", "lenet_300_100", Epochs(20, 60, 20), Epochs(3, 6, 1), ramp=0.5, settle=0.25
)
NETWORKS: Final = (
    LENET_300_100,
    replace(LENET_300_100, stem="lenet_300_100_milder", lr=2e-3, weight_decay=0.1, milder=True),
    Network("LeNet-5", "lenet_5", "lenet_5", Epochs(12, 36, 6), Epochs(2, 3, 1), ramp=0.4, settle=0.5, shift=1),
)
