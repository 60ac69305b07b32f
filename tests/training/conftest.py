"""The files of a classifier and of its data."""

from tests.helpers.training_files import data, model

__all__ = ["data", "model"]
