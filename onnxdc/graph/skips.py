"""What is left as it is, and why."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Skip:
    """Something that a pass left as it was, and why."""

    name: str
    reason: str
