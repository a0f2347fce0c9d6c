"""The only public Python API. Nothing is public yet."""

from __future__ import annotations

__all__: list[str] = []
