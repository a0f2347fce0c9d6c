"""Whether a value is one of those that a rule means: of a policy, or of a route."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from gateway.core.verdict import Globs


def matches(globs: Globs, value: str) -> bool:
    """Whether a value is one of those meant."""
    if globs.include and not any(fnmatchcase(value, glob) for glob in globs.include):
        return False
    return not any(fnmatchcase(value, glob) for glob in globs.exclude)


def matches_tags(globs: Globs, tags: Mapping[str, str]) -> bool:
    """Whether one of a call's tags is meant, and none is excluded."""
    shown = [f"{name}={value}" for name, value in tags.items()]
    if globs.include and not any(fnmatchcase(tag, glob) for tag in shown for glob in globs.include):
        return False
    return not any(fnmatchcase(tag, glob) for tag in shown for glob in globs.exclude)
