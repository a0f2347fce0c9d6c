"""``use: tools``: tools that may not be offered or called, and arguments that may not be given.

On a request the definitions are judged; a ``rewrite: remove`` takes the forbidden ones out, and what tells the model to
use them. On an answer the calls are: names as soon as they are whole, arguments when they are.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

import msgspec

from gateway.core.errors import MalformedRequest
from gateway.core.segments import Path
from gateway.core.verdict import DetectorSpec
from gateway.guards.arguments import Check, compile_argument
from gateway.guards.offered import chosen, is_object, offered
from gateway.plugin.guard import About, CallFinding, Finding, Scope, Subject
from gateway.wire.strict_json import parse_body

FORBIDDEN = "forbidden"
NOT_JSON = "arguments/not_json"
_NAME, _ARGUMENT = "tool_name", "tool_argument"
# Pointless without tools, and refused by providers.
_ABOUT_TOOLS = ("tool_choice", "function_call", "parallel_tool_calls")


class Allowed(msgspec.Struct, frozen=True):
    """Tools that may be called.

    Attributes:
        glob: Their names.
        checks: By argument, each check with the word that asks for it.
    """

    glob: str
    checks: dict[str, list[tuple[str, Check]]] = {}

    def broken(self, arguments: dict[str, Any]) -> str:
        """Return the first argument that is not as it should be, with why; empty when all are."""
        for name, checks in self.checks.items():
            if name in arguments:
                for word, check in checks:
                    if not check(arguments[name]):
                        return f"argument/{name}/{word}"
        return ""


class ToolsDetector:
    """Finds forbidden tools; a call detector on requests, a text detector on answers.

    Args:
        name: As rules call it.
        allow: What may be called, and with what.
        deny: Globs of what may not, whatever else is said.
        default_allow: What nobody names may be called.
    """

    scope = Scope(directions=("response",), kinds=(_NAME, _ARGUMENT), structured=True)

    def __init__(
        self, name: str, allow: tuple[Allowed, ...], deny: tuple[str, ...] = (), *, default_allow: bool = True
    ) -> None:
        self.name = name
        self._allow = allow
        self._deny = deny
        self._default = default_allow

    def judge(self, subject: Subject) -> list[CallFinding]:
        """Return the forbidden definitions of a request, and where it tells the model to use one."""
        document = subject.document
        defined = list(offered(document))
        gone = [path for path, name in defined if not self._may(name)]
        if gone and len(gone) == len(defined):
            told = [(key,) for key in _ABOUT_TOOLS if key in document]
        else:
            told = self._told(document)
        return [CallFinding(kind=FORBIDDEN, path=path, removes=True) for path in (*gone, *told)]

    def _told(self, document: Any) -> list[Path]:
        """Return where a request names forbidden tools that the model is to use; all of it when it names no other."""
        named = list(chosen(document))
        gone = [path for path, name in named if not self._may(name)]
        kept = {path[0] for path, _ in named} - {path[0] for path, name in named if self._may(name)}
        return list(dict.fromkeys((path[0],) if path[0] in kept else path for path in gone))

    def find(self, text: str, about: About) -> list[Finding]:
        """Return what is wrong with the name of a called tool, or with its arguments."""
        kind = ""
        if about.kind == _NAME:
            kind = "" if self._may(text) else FORBIDDEN
        elif about.kind == _ARGUMENT:
            kind = self._broken(about.tool, text)
        return [Finding(kind=kind, end=len(text), label="TOOL")] if kind else []

    def _may(self, tool: str) -> bool:
        if any(fnmatchcase(tool, glob) for glob in self._deny):
            return False
        return self._default or any(fnmatchcase(tool, allowed.glob) for allowed in self._allow)

    def _broken(self, tool: str, text: str) -> str:
        if not self._may(tool):
            return FORBIDDEN
        meant = [allowed for allowed in self._allow if fnmatchcase(tool, allowed.glob)]
        if not any(allowed.checks for allowed in meant) or any(not allowed.checks for allowed in meant):
            return ""
        try:
            # A call without arguments has none to be checked. Who runs it must read the same in them as we.
            arguments = parse_body(text.encode() or b"{}")
        except (MalformedRequest, UnicodeEncodeError):
            return NOT_JSON
        if not is_object(arguments):
            return NOT_JSON
        faults = [allowed.broken(arguments) for allowed in meant]
        return "" if "" in faults else faults[0]


def build(spec: DetectorSpec) -> ToolsDetector:
    """Build the detector of a policy.

    Raises:
        Misconfigured: A pattern cannot run.
    """
    options = spec.options
    allow = tuple(
        Allowed(
            entry["tool"],
            {name: compile_argument(name, rule) for name, rule in entry.get("args", {}).items()},
        )
        for entry in options.get("allow", ())
    )
    return ToolsDetector(
        spec.name, allow, tuple(options.get("deny", ())), default_allow=options.get("default", "allow") == "allow"
    )
