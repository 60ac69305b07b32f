"""An image classifier: as small as it gets without losing more than a point, and how often both models agree.

    python examples/classify.py                                     # the digits of this folder
    python examples/classify.py model.onnx images.npz --input pixel_values

The `.npz` file holds the images under the name of the model's input, the items along the first axis, and the classes as
`labels`. Half of the images calibrate and choose, the other half judges; nothing is trained.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click
import numpy as np

import onnxdc

HERE: Final = Path(__file__).parent


@click.command()
@click.argument("model", type=click.Path(path_type=Path), default=HERE / "digits_cnn.onnx")
@click.argument("images", type=click.Path(path_type=Path), default=HERE / "digits_test.npz")
@click.option("--input", "name", default="input", show_default=True, help="The input that the images go to.")
@click.option("--max-drop", default=1.0, show_default=True, help="Points of accuracy that may be lost.")
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("classifier.onnx"), show_default=True)
def main(model: Path, images: Path, name: str, max_drop: float, output: Path) -> None:
    """Compress MODEL by IMAGES, and compare the two."""
    with np.load(images) as arrays:
        items, labels = arrays[name], arrays["labels"]
    chosen = {name: items[::2], "labels": labels[::2]}
    result = onnxdc.compress(model, data={name: items[::2]}, val=chosen, max_drop=max_drop)
    result.save(output)

    before, after = (_classes(path, name, items[1::2]) for path in (model, output))
    sizes = model.stat().st_size, output.stat().st_size
    print(f"{sizes[0]:,} bytes became {sizes[1]:,}, {sizes[0] / sizes[1]:.1f} times fewer")
    print(f"right: {np.mean(before == labels[1::2]):.2%} before, {np.mean(after == labels[1::2]):.2%} after")
    print(f"the same class: {np.mean(before == after):.2%} of {len(before)} images")


def _classes(path: Path, name: str, items: np.ndarray) -> np.ndarray:
    session = onnxdc.session(path)
    return np.asarray(np.argmax(session.run(None, {name: items})[0], axis=-1))


if __name__ == "__main__":
    main()
