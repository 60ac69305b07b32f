"""The files of a classifier and of its data, for the command that trains."""

from tests.helpers.training_files import data, model

__all__ = ["data", "model"]
