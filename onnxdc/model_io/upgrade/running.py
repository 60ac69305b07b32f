"""Run a model in onnxruntime as it is written, and look at any of its values."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import onnx

from onnxdc.model_io.feeds import Feed

_SECONDS: Final = 60  # for a run; most take less than one
_QUIET: Final = 4  # of onnxruntime's log: what it refuses comes back as an exception too


class CannotRunError(Exception):
    """onnxruntime does not open a model, or does not run it; the message is the reason, in one line."""


class TooSlowError(CannotRunError):
    """A model takes too long to run."""


class Runner:
    """A session that gives any values of a model."""

    def __init__(self, proto: onnx.ModelProto, names: Sequence[str]) -> None:
        """Create the session, without any of onnxruntime's optimisations.

        Args:
            proto: The model, without external data.
            names: The values of the main graph to give.

        Raises:
            CannotRunError: onnxruntime refuses the model.
        """
        import onnxruntime  # takes a while, and few models are old

        options = onnxruntime.SessionOptions()
        options.log_severity_level = _QUIET
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # one run, then none
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        self._names = list(names)
        try:
            content = _with_outputs(proto, self._names)
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime and protobuf raise many types, which share no base
            raise CannotRunError(_in_one_line(error)) from error

    def run(self, feed: Feed) -> list[Any]:
        """Return the values for some inputs.

        Raises:
            CannotRunError: onnxruntime refuses the inputs.
            TooSlowError: It takes too long.
        """
        import onnxruntime

        options = onnxruntime.RunOptions()
        options.log_severity_level = _QUIET
        # In a thread, so that a timeout and Ctrl-C come through; leaving the block waits for the node that runs.
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(self._session.run, self._names, feed, options)
            try:
                values: list[Any] = future.result(_SECONDS)
            except TimeoutError as error:
                raise TooSlowError(f"it takes more than {_SECONDS} s") from error
            except Exception as error:  # onnxruntime raises many types, which share no base
                raise CannotRunError(_in_one_line(error)) from error
            finally:
                options.terminate = True
        return values


def _with_outputs(proto: onnx.ModelProto, names: Sequence[str]) -> bytes:
    """Return a model as bytes, with more outputs: a field of a message may be split, so the weights are not copied."""
    present = {output.name for output in proto.graph.output}
    more = onnx.ModelProto()
    more.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in present)
    return b"".join([proto.SerializeToString(), more.SerializeToString()])


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split())
