"""The only public Python API: what a plugin needs to bring detectors of its own. See docs/plugins.md."""

from __future__ import annotations

from gateway.core.segments import KEY, Direction, Kind, Path, Segment
from gateway.plugin.guard import (
    About,
    CallDetector,
    CallFinding,
    Detector,
    Finding,
    OutsideDetector,
    PieceDetector,
    Scope,
    Subject,
    TextDetector,
)
from gateway.plugin.registration import API_VERSION, DetectorKind, NoOptions, Plugin

__all__ = [
    "API_VERSION",
    "KEY",
    "About",
    "CallDetector",
    "CallFinding",
    "Detector",
    "DetectorKind",
    "Direction",
    "Finding",
    "Kind",
    "NoOptions",
    "OutsideDetector",
    "Path",
    "PieceDetector",
    "Plugin",
    "Scope",
    "Segment",
    "Subject",
    "TextDetector",
]
