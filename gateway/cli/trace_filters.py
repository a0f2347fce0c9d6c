"""Which exchanges a command means: the same filters for all of ``weighbridge traces``, as the operator takes them."""

from __future__ import annotations

import argparse
from typing import Any

# As the operator calls them, and what a person is told.
_PLAIN = {
    "team": "of this team",
    "tenant": "of this tenant",
    "key": "of this virtual key",
    "session": "of this session",
    "trace": "of this trace of the caller's",
    "alias": "for this alias",
    "model": "answered by this model",
    "requested": "for this model, as the client wrote it",
    "provider": "of this provider",
    "deployment": "of this deployment",
    "dialect": "in this dialect",
    "route": "on this route",
    "status": "with this HTTP status",
    "min-status": "with at least this HTTP status",
    "error": "with this error_code",
    "finish": "with this finish_reason",
    "verdict": "with this verdict: allow, annotate, edit, block",
    "cache": "with this in the column cache: off, miss, hit-exact, hit-semantic",
    "split": "of callers in this split",
    "arm": "of callers in this arm",
    "prompt": "of this prompt",
    "min-ms": "that took at least so many milliseconds",
    "min-usd": "that cost at least so many US dollars",
}
_LOOKED_UP = {
    "rule": "that this rule of a policy hit",
    "detector": "that this detector hit",
    "feedback": "that were judged so: NAME, or NAME=VALUE",
    "text": 'whose captured bodies hold these words and "phrases", all of them',
}


def add_filters(parser: argparse.ArgumentParser, *, looked_up: bool = True) -> None:
    """Add the options.

    Args:
        parser: Of the command.
        looked_up: What stands in other tables may be asked for, too.
    """
    group = parser.add_argument_group("only exchanges")
    for name, help_text in {**_PLAIN, **(_LOOKED_UP if looked_up else {})}.items():
        group.add_argument(f"--{name}", metavar="V", dest=_dest(name), help=help_text)
    group.add_argument(
        "--tag", metavar="K=V", dest=_dest("tag"), action="append", help="with this tag; may be repeated"
    )
    group.add_argument("--failed", dest=_dest("failed"), action="store_true", help="that went wrong")
    group.add_argument(
        "--stream", dest=_dest("stream"), choices=("true", "false"), help="that were streamed, or that were not"
    )


def given_filters(args: argparse.Namespace) -> dict[str, Any]:
    """What was given, as the operator reads it."""
    names = (*_PLAIN, *_LOOKED_UP, "tag", "stream")
    given = {name.replace("-", "_"): getattr(args, _dest(name), None) for name in names}
    return {**given, "failed": "true" if getattr(args, _dest("failed")) else None}


def _dest(name: str) -> str:
    return f"only_{name.replace('-', '_')}"
