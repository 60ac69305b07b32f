"""What was done to a model, or what is in it, as rows, text and JSON."""

from onnxdc.report.changed_model import ChangedModel
from onnxdc.report.printable import Printable
from onnxdc.report.report import Report
from onnxdc.report.row import WeightRow
from onnxdc.report.text import LEFT_ALIGNED, aligned, fitted

__all__ = ["LEFT_ALIGNED", "ChangedModel", "Printable", "Report", "WeightRow", "aligned", "fitted"]
