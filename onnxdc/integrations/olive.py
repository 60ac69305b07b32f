"""A pass of Microsoft Olive: ``compress`` as a step of a workflow. Needs the extra ``olive``.

    from olive.workflows import run
    from onnxdc.integrations.olive import package_config

    run("workflow.json", package_config=package_config())

``python -m onnxdc.integrations.olive`` prints the same for ``olive run --package-config``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from onnxdc.api import compress
from onnxdc.errors import MissingExtraError
from onnxdc.recipe import Recipe
from onnxdc.recipe.keys import KEYS

try:
    from olive.common.config_utils import ParamCategory, validate_config
    from olive.data.config import DataConfig
    from olive.hardware.accelerator import AcceleratorSpec
    from olive.model import ONNXModelHandler
    from olive.model.utils import resolve_onnx_path
    from olive.package_config import OlivePackageConfig
    from olive.passes import Pass
    from olive.passes.pass_config import BasePassConfig, PassConfigParam
except ImportError as error:
    raise MissingExtraError(f"Olive cannot be imported: pip install 'onnxdc[olive]' ({error})") from error

_EVERYWHERE: Final = ["*"]
_OPTIONS: Final = [key for key in KEYS if key.command_line]


class DeepCompression(Pass):
    """Compress an ONNX model, as ``onnxdc.compress`` does.

    Its parameters are the keys of a recipe (docs/recipes.md), ``recipe`` for the file of one, ``data_config`` for
    inputs to calibrate on, ``int8``, ``target_size`` and ``check``.
    """

    @classmethod
    def _default_config(cls, accelerator_spec: AcceleratorSpec) -> dict[str, PassConfigParam]:
        path = ParamCategory.PATH
        return {
            **{key.name: PassConfigParam(type_=key.type, description=key.help) for key in _OPTIONS},
            "recipe": PassConfigParam(type_=str, category=path, description="A TOML file: what to do to which weight."),
            "data_config": PassConfigParam(type_=DataConfig | dict, description="Inputs to calibrate on."),
            "target_size": PassConfigParam(type_=int | str, description='Bytes, or a part of the file, such as "8x".'),
            "int8": PassConfigParam(type_=bool, default_value=False, description="Quantize instead of sharing."),
            "check": PassConfigParam(type_=bool, default_value=True, description="Run the result against the model."),
        }

    def _run_for_config(
        self, model: ONNXModelHandler, config: type[BasePassConfig], output_model_path: str
    ) -> ONNXModelHandler:
        given = {name: value for name, value in vars(config).items() if value is not None}
        result = compress(
            model.model_path,
            Recipe.from_toml(given["recipe"]) if "recipe" in given else None,
            data=_feeds(model, given["data_config"]) if "data_config" in given else None,
            target_size=given.get("target_size"),
            int8=given["int8"],
            check=given["check"],
            **{key.name: given[key.name] for key in _OPTIONS if key.name in given},
        )
        path = resolve_onnx_path(output_model_path, Path(model.model_path).name)
        result.save(path)
        return ONNXModelHandler(model_path=path)


def _feeds(model: ONNXModelHandler, data_config: DataConfig | dict[str, Any]) -> Any:
    """Return what feeds a data config gives for a model."""
    container = validate_config(data_config, DataConfig).to_data_container()
    reader = container.create_calibration_dataloader(model_path=model.model_path, io_config=model.io_config)
    return iter(reader.get_next, None)


def package_config() -> dict[str, Any]:
    """Return the package config with which Olive knows this pass as ``DeepCompression``, beside those of its own."""
    config = json.loads(Path(OlivePackageConfig.get_default_config_path()).read_text(encoding="utf-8"))
    supported = ("supported_providers", "supported_accelerators", "supported_precisions")
    config["passes"][DeepCompression.__name__] = {
        "module_path": f"onnxdc.integrations.olive.{DeepCompression.__name__}",
        **dict.fromkeys(supported, _EVERYWHERE),
        "dataset": "dataset_optional",
    }
    return dict(config)


if __name__ == "__main__":
    print(json.dumps(package_config(), indent=4))
