"""Models in and out of files: read lazily and checked, written atomically; and the inputs to run them on."""

from onnxdc.model_io.load import Source, file_bytes, load, name_of
from onnxdc.model_io.proto import to_proto
from onnxdc.model_io.write import check_output, save

__all__ = ["Source", "check_output", "file_bytes", "load", "name_of", "save", "to_proto"]
