"""What an image counts for, by each vendor's published rule. Sizes are in pixels.

Sources: https://platform.openai.com/docs/guides/images-vision#calculating-costs,
https://docs.claude.com/en/docs/build-with-claude/vision#evaluate-image-size,
https://ai.google.dev/gemini-api/docs/tokens#multimodal-tokens.
"""

from __future__ import annotations

from math import ceil, floor, sqrt

Size = tuple[int, int]

# An image whose size nobody can see, since it lies at an address, counts as one of this size.
USUAL_SIZE: Size = (1024, 1024)
# Tokens for the whole and for each tile, by the beginning of the model's name; the first that fits.
_TILED: tuple[tuple[str, int, int], ...] = (
    ("gpt-4o-mini", 2833, 5667),
    ("gpt-5", 70, 140),
    ("computer-use", 65, 129),
    ("o1", 75, 150),
    ("o3", 75, 150),
    ("", 85, 170),
)
# Models that count squares of 32 pixels: how many tokens each is.
_PATCHED: tuple[tuple[str, float], ...] = (
    ("gpt-4.1-mini", 1.62),
    ("gpt-4.1-nano", 2.46),
    ("gpt-5-mini", 1.62),
    ("gpt-5-nano", 2.46),
    ("o4-mini", 1.72),
)
_PATCH, _MAX_PATCHES = 32, 1536
_TILE, _SHORT_SIDE, _LONG_SIDE = 512, 768, 2048
_ANTHROPIC_SIDE, _ANTHROPIC_PIXELS, _ANTHROPIC_MOST = 1568, 750, 1600
_GEMINI_TILE, _GEMINI_SMALL, _GEMINI_SIDE = 258, 384, 768


def image_tokens(vendor: str, model: str, size: Size | None, detail: str = "") -> int:
    """Count an image.

    Args:
        vendor: ``openai``, ``anthropic``, ``gemini``; any other is counted as OpenAI's.
        model: As the provider knows it.
        size: Width and height; ``None`` when nobody knows.
        detail: What the caller asked for: ``low``, or anything else.
    """
    width, height = size or USUAL_SIZE
    if vendor == "anthropic":
        return _anthropic(width, height)
    if vendor == "gemini":
        return _gemini(width, height)
    name = model.rpartition("/")[2].lower()
    for beginning, each in _PATCHED:
        if name.startswith(beginning):
            return ceil(_patches(width, height) * each)
    whole, tile = next((whole, tile) for beginning, whole, tile in _TILED if name.startswith(beginning))
    return whole if detail == "low" else whole + tile * _tiles(width, height)


def _tiles(width: int, height: int) -> int:
    """Fit into a square of 2,048, then bring the shorter side down to 768; squares of 512 that cover the rest."""
    sides = _shrunk((width, height), _LONG_SIDE / max(width, height))
    sides = _shrunk(sides, _SHORT_SIDE / min(sides))
    return ceil(sides[0] / _TILE) * ceil(sides[1] / _TILE)


def _shrunk(sides: Size, ratio: float) -> Size:
    return sides if ratio >= 1 else (max(1, int(sides[0] * ratio)), max(1, int(sides[1] * ratio)))


def _patches(width: int, height: int) -> int:
    patches = ceil(width / _PATCH) * ceil(height / _PATCH)
    if patches <= _MAX_PATCHES:
        return patches
    ratio = sqrt(_PATCH * _PATCH * _MAX_PATCHES / (width * height))
    across, down = width * ratio / _PATCH, height * ratio / _PATCH
    # So that whole squares fit along the side that loses more of one.
    ratio *= min(max(1, floor(side)) / side for side in (across, down))
    return min(_MAX_PATCHES, ceil(width * ratio / _PATCH) * ceil(height * ratio / _PATCH))


def _anthropic(width: int, height: int) -> int:
    width, height = _shrunk((width, height), _ANTHROPIC_SIDE / max(width, height))
    return min(_ANTHROPIC_MOST, ceil(width * height / _ANTHROPIC_PIXELS))


def _gemini(width: int, height: int) -> int:
    if max(width, height) <= _GEMINI_SMALL:
        return _GEMINI_TILE
    side = min(_GEMINI_SIDE, max(256, floor(min(width, height) / 1.5)))
    return _GEMINI_TILE * ceil(width / side) * ceil(height / side)
