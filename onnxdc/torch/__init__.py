"""Fine-tuning in PyTorch: a model as a trainable module, and hooks for modules that exist already."""

from onnxdc.errors import MissingExtraError

try:
    import torch as _torch  # noqa: F401
except ImportError as error:
    raise MissingExtraError("PyTorch is not installed: pip install 'onnxdc[torch]'") from error

from onnxdc.torch.attach import Attachment, attach
from onnxdc.torch.module import OnnxModule, module
from onnxdc.torch.operators import SUPPORTED

__all__ = ["SUPPORTED", "Attachment", "OnnxModule", "attach", "module"]
