r"""What reports and errors call a weight: its name, and the node that uses it if the name says nothing.

>>> label("fc1.weight", "Gemm fc1")
'fc1.weight'
>>> label("onnx::Conv_30", "Conv conv1")
'onnx::Conv_30 (Conv conv1)'
"""

from __future__ import annotations

import re
from typing import Final

# Names that programs make up: torch.onnx's onnx::Conv_30, val_86, _val_86 and plain numbers, tf2onnx's
# const_fold_opt__123, onnxruntime's reorder_token_7, others' tensor_7 and Constant_7_output_0; and no name at all.
_STEMS: Final = r"onnx::\w+?_|[_/]?(?:val|v|t|tmp|tensor|reorder_token|initializer|const|constant|const_fold_opt)[_.]+"
_MADE_UP: Final = re.compile(rf"(?:unnamed|(?:{_STEMS})?\d+(?:_output_\d+)?)?(?:#\d+)?", re.IGNORECASE)


def label(name: str, node: str) -> str:
    """Return what to call a constant, not yet escaped or shortened.

    Args:
        name: Its name.
        node: The node that uses it, as ``walk.described`` has it; empty if that is not known.
    """
    return f"{name} ({node})" if node and says_nothing(name) else name


def says_nothing(name: str) -> bool:
    """Tell whether an exporter has made a name up, as it knew no better one."""
    return _MADE_UP.fullmatch(name) is not None
