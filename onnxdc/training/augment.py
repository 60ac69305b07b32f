"""More training data from few: images that are moved at random."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 (as its documentation has it)


def flipped(images: torch.Tensor) -> torch.Tensor:
    """Mirror each image, ``[items, channels, height, width]``, left to right with a probability of a half."""
    mirrored = torch.rand(len(images), 1, 1, 1) < 0.5
    return torch.where(mirrored, images.flip(3), images)


def shifted(images: torch.Tensor, pixels: int) -> torch.Tensor:
    """Move each image by its own random distance; what comes in at the border is 0.

    Args:
        images: The images, ``[items, channels, height, width]``.
        pixels: The largest distance along each axis; all whole distances are equally likely.
    """
    items, _, height, width = images.shape
    down, right = torch.randint(0, 2 * pixels + 1, (2, items, 1))
    rows, columns = down + torch.arange(height), right + torch.arange(width)
    padded = F.pad(images, (pixels,) * 4)
    # The two index tensors lie apart, so their axes come first: [items, height, width, channels].
    return padded[torch.arange(items)[:, None, None], :, rows[:, :, None], columns[:, None, :]].movedim(-1, 1)
