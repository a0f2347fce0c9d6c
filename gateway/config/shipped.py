"""Where the rule packs that come with the product are."""

from __future__ import annotations

from pathlib import Path


def shipped_policies_dir() -> Path:
    """Return the folder of the shipped packs: the repository's ``policies/`` in a checkout, a copy of it in a wheel."""
    return Path(__file__).resolve().parent.parent / "_policies"
