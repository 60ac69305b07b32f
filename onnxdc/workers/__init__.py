"""Where work on weights is done: in this process, or by workers of dask on other machines."""

from onnxdc.workers.cluster import Workers, connected
from onnxdc.workers.mapper import Mapper, here

__all__ = ["Mapper", "Workers", "connected", "here"]
