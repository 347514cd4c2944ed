"""Values as people write them in a sentence."""

from __future__ import annotations

from typing import Any


def shown_value(value: Any) -> str:
    """A field's value in a sentence: `8`, `true`, `{type: sliding, window_size: 512}`."""
    from ..arch.inplace import render

    return render(value)
