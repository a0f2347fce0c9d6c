"""Text in images: read beside the call, then judged by other detectors as what a stranger wrote.

Whoever wrote it, it counts as the result of a tool: nobody typed it as a request. Reading takes up to seconds, so a
call does not wait for it: what is found ends a call that still runs, or is put on its record, as with a judge.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from gateway.clients.ocr import MAX_BYTES, MAX_PIXELS, ImageReader
from gateway.core.errors import Misconfigured, ModelFailed
from gateway.core.images import base64_of
from gateway.core.segments import Segment
from gateway.core.verdict import DetectorSpec
from gateway.plugin.guard import About, Finding, Scope

# What detectors find in each of some texts: whose finding it is, with its score.
Found = dict[str, float | None]


class Judges(Protocol):
    """Judges texts by detectors of the bundle; :class:`gateway.guards.nested.Nested`."""

    async def judge(self, segments: Sequence[Segment]) -> list[Found]:
        """Return what is found in each text; may raise ``ModelFailed``."""
        ...

    async def warm(self) -> None:
        """Load the models that they ask."""
        ...

    async def close(self) -> None:
        """Let go of what they hold."""
        ...


class ImageTextDetector:
    """Reads images and asks other detectors; a :class:`gateway.plugin.guard.OutsideDetector`.

    Args:
        spec: Bounds.
        judges: The other detectors.
        reader: Reads images.
    """

    scope = Scope(directions=("request",), kinds=("image",))

    def __init__(self, spec: DetectorSpec, judges: Judges, reader: ImageReader) -> None:
        options = spec.options
        self.name = spec.name
        self._judges = judges
        self._reader = reader
        self._most: int = options.get("max_images", 8)
        self._max_bytes: int = options.get("max_bytes", MAX_BYTES)
        self._max_pixels: int = options.get("max_pixels", MAX_PIXELS)

    async def judge(self, texts: Sequence[tuple[str, About]]) -> list[list[Finding]]:
        """Read the images and judge what they say.

        Raises:
            ModelFailed: One of them cannot be read, or there are too many.
        """
        if len(texts) > self._most:
            raise ModelFailed("A request has more images than are read.")
        bounds = {"max_bytes": self._max_bytes, "max_pixels": self._max_pixels}
        said = [await self._reader.read(base64_of(text), **bounds) for text, _ in texts]
        segments = [Segment((str(at),), "tool", "tool_result", text) for at, text in enumerate(said)]
        return [
            [Finding(kind=name, score=score) for name, score in found.items()]
            for found in await self._judges.judge(segments)
        ]

    async def warm(self) -> None:
        """Start what reads, and load the models of the others; raises as :meth:`judge`."""
        await self._reader.start()
        await self._judges.warm()

    async def close(self) -> None:
        """End what reads."""
        await self._reader.close()
        await self._judges.close()


def build(spec: DetectorSpec, judges: Callable[[tuple[str, ...]], Judges]) -> ImageTextDetector:
    """Build the detector.

    Args:
        spec: As the policy room compiled it.
        judges: Builds what judges texts by detectors of the bundle.

    Raises:
        Misconfigured: It names no detectors, or the extra is not installed.
    """
    names = tuple(spec.options.get("detectors") or ())
    if not names:
        raise Misconfigured(f"Detector '{spec.name}': images are read for other detectors; name them.")
    return ImageTextDetector(spec, judges(names), ImageReader())
