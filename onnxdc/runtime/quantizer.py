"""onnxruntime's quantizers, without what they say on the root logger."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_quantizer() -> Iterator[None]:
    """Keep a quantizer from advice on the root logger, which also other code may have silenced before."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
