"""What was done to a model, or what is in it, as rows, text and JSON."""

from onnxdc.report.report import LEFT_ALIGNED, Report, WeightRow, aligned

__all__ = ["LEFT_ALIGNED", "Report", "WeightRow", "aligned"]
