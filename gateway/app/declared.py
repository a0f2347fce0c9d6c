"""The virtual keys of the configuration as it is now, for the operator, which is never reloaded."""

from __future__ import annotations

from collections.abc import Callable

from gateway.app.reloading import stamps
from gateway.config.load import LoadResult
from gateway.config.settings import KeyEntry, Settings
from gateway.core.keys import Grant
from gateway.core.limits import LimitRule

_GRANTED = Grant.__struct_fields__


class DeclaredNow:
    """Gives the keys and the limits; what does not check leaves the last good ones. Blocks while the file is read anew.

    Args:
        settings: The configuration as it was at the start.
        load: Loads it again.
    """

    def __init__(self, settings: Settings, load: Callable[[], LoadResult]) -> None:
        self._load = load
        self._file = settings.file
        self._seen = stamps((settings.file,))
        self._settings = settings

    def __call__(self) -> tuple[Grant, ...]:
        """Give the keys."""
        self._look()
        return granted(self._settings.keys)

    def limits(self) -> tuple[LimitRule, ...]:
        """Give the limits."""
        self._look()
        return self._settings.limits

    def settings(self) -> Settings:
        """Give the whole configuration."""
        self._look()
        return self._settings

    def _look(self) -> None:
        now = stamps((self._file,))
        if now != self._seen:
            self._seen = now
            settings = self._load().settings
            if settings is not None:
                self._settings = settings


def granted(entries: tuple[KeyEntry, ...]) -> tuple[Grant, ...]:
    """What declared keys may do, without their secrets."""
    return tuple(Grant(**{name: getattr(entry, name) for name in _GRANTED}) for entry in entries)
