"""The best values of a training so far, and the epochs that led there, as a checkpoint holds them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from onnxdc.training.report import Epoch, Score


@dataclass(frozen=True)
class Best:
    """The best values so far.

    Attributes:
        epoch: The epoch after which the network had them; 0 for before training.
        score: Their score on the validation data; None without any.
        network: The state of the module.
        nbytes: The bytes of the file that encoding makes of it; None without grids.
    """

    epoch: int
    score: Score | None
    network: dict[str, torch.Tensor]
    nbytes: int | None = None

    def state(self) -> dict[str, Any]:
        """Return the values as a dictionary."""
        return dataclasses.asdict(dataclasses.replace(self, network={})) | {"network": self.network}

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> Best:
        """Return what a dictionary says."""
        return cls(**(dict(state) | {"score": _score(state["score"])}))


def epoch_of(entry: Mapping[str, Any]) -> Epoch:
    """Return the epoch that a dictionary of its attributes says."""
    scores = {"training": Score(**entry["training"]), "validation": _score(entry["validation"])}
    return Epoch(**(dict(entry) | scores))


def _score(entry: Mapping[str, Any] | None) -> Score | None:
    return None if entry is None else Score(**entry)
