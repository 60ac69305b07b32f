"""Training hooks: a pruned or shared model goes out to be trained by any framework, and its weights come back.

``export`` hands over, ``TrainingHook`` keeps the rules within a training loop, ``import_`` takes back.
"""

from onnxdc.hooks.exporting import TRAINING_GRAPH_FILE, export
from onnxdc.hooks.files import MANIFEST_FILE
from onnxdc.hooks.grid import HookedGrid
from onnxdc.hooks.hook import TrainingHook
from onnxdc.hooks.importing import TRAINED_FILE, Imported, import_, put_back
from onnxdc.hooks.reading import check_model, read_hook
from onnxdc.hooks.summary import HookSummary, WeightLine, summary
from onnxdc.hooks.tensors import TENSORS_FILE
from onnxdc.hooks.weight import ConstantStage, HookedWeight, WeightStage

__all__ = [
    "MANIFEST_FILE",
    "TENSORS_FILE",
    "TRAINED_FILE",
    "TRAINING_GRAPH_FILE",
    "ConstantStage",
    "HookSummary",
    "HookedGrid",
    "HookedWeight",
    "Imported",
    "TrainingHook",
    "WeightLine",
    "WeightStage",
    "check_model",
    "export",
    "import_",
    "put_back",
    "read_hook",
    "summary",
]
