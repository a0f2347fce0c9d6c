"""What a plugin says of itself: its name, the version of this interface it was made for, and what it brings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from gateway.plugin.guard import Detector

# Raised when a plugin made for the version before would no longer work.
API_VERSION = 1
# How a policy names a plugin's kind of detector: ``use: plugin:NAME``.
PREFIX = "plugin:"


class NoOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The options of a kind that takes none."""


class DetectorKind(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of detector, as policies ask for it.

    Attributes:
        name: Letters, digits, ``-`` and ``_``; a policy says ``use: plugin:NAME``.
        build: Makes a detector of its name in the policy and its options. What is wrong with the options beyond their
            types is a ``ValueError`` whose message is shown to whoever wrote the policy.
        options: What may be written beside ``use``: a ``msgspec.Struct``. A key that it does not have is an error.
    """

    name: str
    build: Callable[[str, Any], Detector]
    options: type[msgspec.Struct] = NoOptions


class Plugin(msgspec.Struct, frozen=True, kw_only=True):
    """A plugin; its module has one called ``PLUGIN``.

    Attributes:
        name: For messages.
        api: The :data:`API_VERSION` that it was made for.
        detectors: What it brings.
    """

    name: str
    api: int
    detectors: tuple[DetectorKind, ...] = ()
