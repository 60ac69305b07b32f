"""Sizes to aim at: bytes, and parts of a file."""

from __future__ import annotations

import pytest

from onnxdc import OptionError
from onnxdc.domain.target_size import target_bytes


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("600KB", 600_000),
        ("1.5 MB", 1_500_000),
        ("8x", 125_000),
        ("10.5X", 95_238),
        (1234, 1234),
        ("2 KiB", 2048),
        ("999999999x", 1),
    ],
)
def test_targets_are_bytes_or_parts_of_the_file(target, expected):
    assert target_bytes(target, 1_000_000) == expected


@pytest.mark.parametrize("target", ["", "x", "8y", "-3x", "0.5x", "1e9x", -4, 0, "0", "0.1", 2.5, None, "8xx"])
def test_what_is_no_size_is_refused(target):
    with pytest.raises(OptionError, match="target_size: expected"):
        target_bytes(target, 1_000_000)


@pytest.mark.parametrize(("target", "shown"), [("12", "12x"), (12, "12x"), ("0.05KB", "50x"), (99, "99x")])
def test_what_holds_no_model_was_meant_as_a_part(target, shown):
    with pytest.raises(OptionError) as caught:
        target_bytes(target, 1_000_000)
    expected = f'100 bytes or more, or "{shown}" for a part of the file'
    assert str(caught.value) == f"target_size: expected {expected}, got {target}"
    assert target_bytes(100, None) == 100


def test_a_part_of_no_file_is_refused():
    with pytest.raises(OptionError, match=r"target_size: 8x of what\?"):
        target_bytes("8x", None)
