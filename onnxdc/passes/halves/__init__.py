"""Store small vectors, such as biases, in two bytes an element or one where that is exact, and give them back.

All vectors of a type whose values are exact in float16, or else in bfloat16, become one tensor, which a Cast widens and
a Split cuts; and so do those of int32 that are exact in int8, or else in int16. Those of float32 that are integers of
int8 times one power of two are scaled by a Mul in between. All nodes are constant: onnxruntime folds them when it
creates a session. Take two biases::

    y = Gemm (x, w, b)
    z = Gemm (y, v, c)

They become::

    wide = Cast <to = 1> (halves)
    b, c = Split (wide, halves.sizes)
    y = Gemm (x, w, b)
    z = Gemm (y, v, c)

and the record of origins says where they were among the initializers: ``{"halves": {"halves": [2, 3]}}``.
"""

from onnxdc.passes.halves.cutting import restore_halves as restore_halves
from onnxdc.passes.halves.joining import OVERHEAD as OVERHEAD
from onnxdc.passes.halves.joining import SCALE_OVERHEAD as SCALE_OVERHEAD
from onnxdc.passes.halves.joining import bytes_saved_by_joining as bytes_saved_by_joining
from onnxdc.passes.halves.joining import joinable as joinable
from onnxdc.passes.halves.joining import store_halves as store_halves
