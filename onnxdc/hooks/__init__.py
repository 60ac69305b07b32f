"""Training hooks: a pruned or shared model goes out to be trained by any framework, and its weights come back.

``export`` hands over, ``TrainingHook`` keeps the rules within a training loop, ``import_`` takes back.
"""

from onnxdc.hooks.exporting import export
from onnxdc.hooks.files import MANIFEST, TENSORS
from onnxdc.hooks.hook import TrainingHook
from onnxdc.hooks.importing import TRAINED, Imported, import_, put_back
from onnxdc.hooks.reading import check_model, read_hook
from onnxdc.hooks.summary import HookSummary, summary
from onnxdc.hooks.weight import HookedWeight, Stage, WeightStage

__all__ = [
    "MANIFEST",
    "TENSORS",
    "TRAINED",
    "HookSummary",
    "HookedWeight",
    "Imported",
    "Stage",
    "TrainingHook",
    "WeightStage",
    "check_model",
    "export",
    "import_",
    "put_back",
    "read_hook",
    "summary",
]
