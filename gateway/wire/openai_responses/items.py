"""Items: what a conversation of Responses is made of, in requests, in answers and in lists; every text in them.

An item says by its ``type`` what it is; a message may leave it out. Arguments of tools are text of the assistant, what
tools gave back is text of role ``tool``. An item of a type nobody knows is walked leaf by leaf.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from gateway.core.segments import Path
from gateway.wire.grammar import (
    Found,
    Rule,
    base64_media,
    constant,
    each,
    fields,
    leaves,
    nothing,
    said_by,
    schema,
    text,
    url,
)
from gateway.wire.shapes import is_array, is_object, is_text

NUMBER = constant()
_STATUS = constant("in_progress", "completed", "incomplete", "searching", "interpreting", "failed", "calling",
                   "generating", "queued", "cancelled")  # fmt: skip
TYPE = constant(
    "message", "input_text", "output_text", "refusal", "input_image", "input_file", "input_audio", "reasoning",
    "summary_text", "reasoning_text", "function_call", "function_call_output", "custom_tool_call",
    "custom_tool_call_output", "file_search_call", "web_search_call", "code_interpreter_call", "computer_call",
    "computer_call_output", "computer_screenshot", "image_generation_call", "local_shell_call", "shell_call",
    "local_shell_call_output", "shell_call_output", "apply_patch_call", "apply_patch_call_output", "mcp_call",
    "mcp_list_tools", "mcp_approval_request", "mcp_approval_response", "item_reference", "compaction", "url_citation",
    "file_citation", "container_file_citation", "file_path", "logs", "image", "url", "search", "open_page",
    "find_in_page", "exec", "create_file", "update_file", "delete_file", "exit", "timeout", "explicit", "direct",
    "program",
)  # fmt: skip
_ROLES = ("system", "developer", "user", "assistant", "tool")
_ROLE = constant(*_ROLES)
_DETAIL = constant("auto", "low", "high", "original")
_PHASE = constant("commentary", "final_answer")
_CACHED = fields({"mode": TYPE, "ttl": constant("30m", "12h")})
# What a provider calls its items; whatever else stands there is looked at.
_MADE_UP = re.compile(r"[a-z]{2,12}_[0-9a-f]{16,128}")
_OF_TOOLS = frozenset({"tool_argument", "tool_result"})
# Tools of the provider's own, by the item that shows them at work.
_OWN_TOOLS = {
    "code_interpreter_call": "code_interpreter", "file_search_call": "file_search", "web_search_call": "web_search",
    "computer_call": "computer", "local_shell_call": "local_shell", "shell_call": "shell",
    "shell_call_output": "shell", "local_shell_call_output": "local_shell", "apply_patch_call": "apply_patch",
    "apply_patch_call_output": "apply_patch", "computer_call_output": "computer",
}  # fmt: skip

_ANNOTATION = fields(
    {
        "type": TYPE,
        "url": text("url"),
        "title": text("text"),
        "filename": text("file_name"),
        "file_id": leaves(),
        "container_id": leaves(),
        "start_index": NUMBER,
        "end_index": NUMBER,
        "index": NUMBER,
    }
)


def _content(words: Rule) -> Rule:
    """Parts of a message or of a tool's result; a bare string is one of them."""
    return each(
        fields(
            {
                "type": TYPE,
                "text": words,
                "refusal": text("refusal"),
                "annotations": each(_ANNOTATION),
                # Repeats the text token by token; a part whose text is edited loses it.
                "logprobs": nothing,
                "image_url": fields({"url": url}, otherwise=url),
                "file_url": text("url"),
                "filename": text("file_name"),
                "file_data": base64_media,
                "file_id": leaves(),
                "detail": _DETAIL,
                "input_audio": fields({"data": base64_media, "format": constant("wav", "mp3")}),
                "prompt_cache_breakpoint": _CACHED,
            },
            otherwise=words,
        )
    )


part = _content(text("text"))
annotation = _ANNOTATION
_argument = text("tool_argument")
_arguments = text("tool_argument", encoded=True)
_result = text("tool_result")
_results = _content(_result)
_argument_leaves = leaves("tool_argument")
_result_leaves = leaves("tool_result")
thought = each(fields({"type": TYPE, "text": text("reasoning")}, otherwise=text("reasoning")))
_anything = leaves()


def is_made_up(value: str) -> bool:
    """Say whether a text is an identifier as providers make them up."""
    return _MADE_UP.fullmatch(value) is not None


def identifier(path: Path, role: str, value: Any, found: Found) -> None:
    """The name of an item, which says nothing when a provider has made it up."""
    if not (is_text(value) and is_made_up(value)):
        _anything(path, role, value, found)


_HEAD: dict[str, Rule] = {"type": TYPE, "id": identifier, "status": _STATUS, "call_id": identifier, "role": _ROLE}


def _item(**rules: Rule) -> Rule:
    return fields({**_HEAD, **rules})


def _by(role: str, rule: Rule) -> Rule:
    return said_by(lambda _: role, rule)


_MESSAGE = _item(content=part, phase=_PHASE, name=leaves())
_SHELL = _item(
    action=fields(
        {
            "type": TYPE,
            "command": each(_argument),
            "commands": each(_argument),
            "timeout_ms": NUMBER,
            "max_output_length": NUMBER,
            "working_directory": _argument,
        },
        otherwise=_argument_leaves,
    )
)
_SHELL_OUTPUT = _item(
    output=each(
        fields(
            {"stdout": _result, "stderr": _result, "outcome": fields({"type": TYPE, "exit_code": NUMBER})},
            otherwise=_result,
        )
    ),
    max_output_length=NUMBER,
)
_CALLED = _item(name=text("tool_name"), namespace=leaves(), arguments=_arguments, input=_argument)
_GIVEN_BACK = _item(output=_results, name=leaves(), namespace=leaves())
_ITEMS: dict[str, Rule] = {
    "message": _MESSAGE,
    "reasoning": _by("assistant", _item(summary=thought, content=thought, encrypted_content=base64_media)),
    "function_call": _by("assistant", _CALLED),
    "custom_tool_call": _by("assistant", _CALLED),
    "function_call_output": _by("tool", _GIVEN_BACK),
    "custom_tool_call_output": _by("tool", _GIVEN_BACK),
    "web_search_call": _by(
        "assistant",
        _item(
            action=fields(
                {
                    "type": TYPE,
                    "query": _argument,
                    "queries": each(_argument),
                    "pattern": _argument,
                    "url": text("url"),
                    "sources": each(fields({"type": TYPE, "url": text("url")})),
                },
                otherwise=_argument_leaves,
            )
        ),
    ),
    "file_search_call": _by(
        "assistant",
        _item(
            queries=each(_argument),
            results=_by(
                "tool",
                each(
                    fields(
                        {"text": _result, "filename": text("file_name"), "file_id": leaves(), "score": NUMBER},
                        otherwise=_result_leaves,
                    )
                ),
            ),
        ),
    ),
    "code_interpreter_call": _by(
        "assistant",
        _item(
            code=_argument,
            container_id=leaves(),
            outputs=_by("tool", each(fields({"type": TYPE, "logs": _result, "url": url}))),
        ),
    ),
    "computer_call": _by("assistant", _item(action=_argument_leaves, actions=_argument_leaves)),
    "computer_call_output": _by(
        "tool", _item(output=fields({"type": TYPE, "image_url": url, "file_id": leaves()}, otherwise=_result_leaves))
    ),
    "image_generation_call": _by("assistant", _item(result=base64_media, revised_prompt=text("text"))),
    "local_shell_call": _by("assistant", _SHELL),
    "shell_call": _by("assistant", _SHELL),
    "local_shell_call_output": _by("tool", _SHELL_OUTPUT),
    "shell_call_output": _by("tool", _SHELL_OUTPUT),
    "apply_patch_call": _by(
        "assistant",
        _item(operation=fields({"type": TYPE, "path": _argument, "diff": _argument}, otherwise=_argument_leaves)),
    ),
    "apply_patch_call_output": _by("tool", _item(output=_result)),
    "mcp_list_tools": _by(
        "tool",
        _item(
            server_label=leaves(),
            tools=each(
                fields(
                    {
                        "name": text("tool_name"),
                        "description": text("tool_description"),
                        "input_schema": schema,
                        "annotations": _result_leaves,
                    }
                )
            ),
            error=_result_leaves,
        ),
    ),
    "mcp_call": _by(
        "assistant",
        _item(
            name=text("tool_name"),
            server_label=leaves(),
            arguments=_arguments,
            output=_by("tool", _result),
            error=_by("tool", _result_leaves),
        ),
    ),
    "mcp_approval_request": _by(
        "assistant", _item(name=text("tool_name"), server_label=leaves(), arguments=_arguments)
    ),
    "mcp_approval_response": _by("user", _item(approval_request_id=leaves(), approve=NUMBER, reason=text("text"))),
    "item_reference": _item(),
    "compaction": _item(encrypted_content=base64_media),
}


def item_of(default: str) -> Rule:
    """Make the rule of one item.

    Args:
        default: Who speaks where an item does not say.
    """

    def rule(path: Path, _: str, value: Any, found: Found) -> None:
        if not is_object(value):
            (_spoken if is_text(value) else _anything)(path, default, value, found)
            return
        kind = value.get("type", "message")
        known = _ITEMS.get(kind) if is_text(kind) else None
        before = len(found)
        (known or _anything)(path, _speaker(value) or default, value, found)
        if known is not None and len(found) > before:
            _name_tool(value, kind, found, before)

    return rule


_spoken = text("text")


def _speaker(item: dict[str, Any]) -> str:
    role = item.get("role")
    return role if is_text(role) and role in _ROLES else ""


def _name_tool(item: dict[str, Any], kind: str, found: Found, since: int) -> None:
    """Say which tool the texts of an item belong to, where the item itself says so."""
    tool = tool_of(item, kind)
    if not tool:
        return
    for at in range(since, len(found)):
        if found[at].kind in _OF_TOOLS:
            found[at] = msgspec.structs.replace(found[at], tool=tool)


def tool_of(item: dict[str, Any], kind: str) -> str:
    """The tool that an item calls or comes from; empty where it does not say."""
    own = _OWN_TOOLS.get(kind)
    if own is not None:
        return own
    name = item.get("name")
    return name if is_text(name) else ""


def name_results(items: Any, at: Path, found: Found) -> None:
    """Fill in the tool of results that do not name it, by the call that they answer.

    Args:
        items: The list that calls and results are in.
        at: The path of that list.
        found: Its segments; those of results are replaced.
    """
    if not is_array(items):
        return
    called: dict[str, str] | None = None
    depth = len(at)
    for place, segment in enumerate(found):
        if segment.kind != "tool_result" or segment.tool or segment.path[:depth] != at or len(segment.path) <= depth:
            continue
        if called is None:
            called = _called(items)
        step: Any = segment.path[depth]
        item: Any = items[step]
        identity = item.get("call_id") if is_object(item) else None
        if is_text(identity) and identity in called:
            found[place] = msgspec.structs.replace(segment, tool=called[identity])


def _called(items: list[Any]) -> dict[str, str]:
    names: dict[str, str] = {}
    for item in items:
        if is_object(item) and is_text(identity := item.get("call_id")) and is_text(name := item.get("name")):
            names.setdefault(identity, name)
    return names
