"""A pass of onnx_ir: ``compress`` beside the passes of ``onnx_ir.passes.common``."""

from __future__ import annotations

import logging
from typing import Any

import onnx_ir as ir

from onnxdc.api import compress
from onnxdc.domain.compressed import is_compressed
from onnxdc.recipe import Recipe

logger = logging.getLogger(__name__)


class CompressPass(ir.passes.FunctionalPass):
    """Give back a compressed model, as ``onnxdc.compress`` does; the one that came in stays as it is.

    A model that is compressed already comes back as a copy and counts as not modified, so that a pass manager can run
    all of its passes again. What was done goes to the log of this module.

    Args:
        recipe: What to do to which weight.
        options: The keywords of ``onnxdc.compress``.
    """

    def __init__(self, recipe: Recipe | None = None, **options: Any) -> None:
        super().__init__()
        self._recipe = recipe
        self._options = options

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Compress a model.

        Raises:
            OnnxdcError: As ``onnxdc.compress``; a pass manager wraps it in a ``PassError``.
        """
        if is_compressed(model):
            return ir.passes.PassResult(model.clone(), modified=False)
        result = compress(model, self._recipe, **self._options)
        logger.info("%s", result.report)
        return ir.passes.PassResult(result.model, modified=True)
