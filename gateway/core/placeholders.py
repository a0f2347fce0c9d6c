"""What stands for a part of a client's model name in the name that a provider knows: ``{model}``, ``{star}``."""

from __future__ import annotations

import re
from fnmatch import translate

# In a provider's name for a model: the whole name that the client sent.
MODEL = "{model}"
_HOLDERS = re.compile(r"\{[^{}]*\}")
_SETS = re.compile(r"\[!?\]?[^\]]*\]|[^*]")


def holders(alias: str) -> tuple[str, ...]:
    """Give what may stand in the models of an alias: ``{star}`` for its ``*``, or ``{star1}``, … for several."""
    number = len(_pieces(alias)) - 1
    stars = ("{star}",) if number == 1 else tuple(f"{{star{at}}}" for at in range(1, number + 1))
    return (MODEL, *stars)


def used(model: str) -> tuple[str, ...]:
    """Give what stands for something in a model's name, known or not."""
    return tuple(_HOLDERS.findall(model))


def filled(model: str, values: dict[str, str]) -> str:
    """Put in what placeholders stand for; what a client wrote is looked at once, so that it stands for nothing."""
    return _HOLDERS.sub(lambda found: values.get(found[0], found[0]), model)


class Stars:
    """Finds out what each ``*`` of an alias stands for: something, each as little as it can but for the last.

    Args:
        alias: A glob over model names.
    """

    __slots__ = ("_names", "_pattern")

    def __init__(self, alias: str) -> None:
        first, *others = (translate(piece)[4:-3] for piece in _pieces(alias))
        self._names = holders(alias)[1:]
        # Atomic: what one star has found is not tried anew for the next, so that long names take no time.
        found = [f"(?>(.+?){piece})" for piece in others[:-1]]
        last = [f"(.+){piece}" for piece in others[-1:]]
        self._pattern = re.compile("".join((first, *found, *last)), re.DOTALL)

    def of(self, model: str) -> dict[str, str] | None:
        """Give what they stand for in a name; ``None`` where one stands for nothing."""
        match = self._pattern.fullmatch(model)
        return None if match is None else dict(zip(self._names, match.groups(), strict=True))


def _pieces(alias: str) -> list[str]:
    """Cut an alias at its stars, other than those within brackets."""
    pieces = [""]
    at = 0
    while at < len(alias):
        found = _SETS.match(alias, at)
        if found is None:
            pieces.append("")
            at += 1
        else:
            pieces[-1] += found[0]
            at = found.end()
    # Two stars side by side are one.
    return [piece for number, piece in enumerate(pieces) if piece or number in (0, len(pieces) - 1)]
