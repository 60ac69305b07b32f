"""The keywords of ``onnxdc.finetune``, for type checkers: the options of a training, and how to prune meanwhile."""

from __future__ import annotations

from onnxdc.recipe.keywords import PruneOptions
from onnxdc.training.options import Loss, LrSchedule, Optimizer, Precision, RegrowBy, Schedule, SparseStart


class FinetuneOptions(PruneOptions, total=False):
    """How to train, and how to prune meanwhile; see ``options.TrainingOptions`` and ``recipe.keys``."""

    loss: Loss | None
    class_axis: int | None
    epochs: int | None
    batch: int | None
    optimizer: Optimizer | None
    lr: float | None
    lr_schedule: LrSchedule | None
    warmup: float | None
    weight_decay: float | None
    clip: float | None
    schedule: Schedule | None
    rounds: int | None
    ramp: float | None
    settle: float | None
    mask_interval: int | None
    regrow: bool | None
    regrow_by: RegrowBy | None
    sparse_from_start: SparseStart | None
    grid: bool | None
    rate: float | None
    target_size: str | int | None
    max_drop: float | None
    int8: bool | None
    step_init: float | None
    step_lr: float | None
    rate_ramp: float | None
    precision: Precision | None
    temperature: float | None
    distill_weight: float | None
    dropout: float | None
    shift: int | None
    flip: bool | None
    val_share: float | None
    patience: int | None
    seed: int | None
    threads: int | None
    device: str | None
