"""``onnxdc.native`` is ``onnxdc.runtime.native``, the library's own functions."""

import sys

from onnxdc.runtime import native

sys.modules[__name__] = native
