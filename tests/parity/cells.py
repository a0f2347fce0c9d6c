"""The rules of the matrices, and how a client is told that one of them turned its call back."""

from __future__ import annotations

from typing import Any

import orjson

from gateway.core.segments import walk_leaves
from gateway.core.verdict import Match, RuleSpec, Step, When
from gateway.guards.vault import PLACEHOLDER
from gateway.wire.bridge import CODECS
from tests.support.rooms import Rooms
from tests.support.sinks import ListReply

ACTIONS = ("block", "redact", "mask", "rewrite", "annotate")
RULE = "the-rule"
# Dialects whose errors are a sentence and nothing else.
_BARE = frozenset(("triton",))


def planted(action: Any, direction: Any, restore_in: tuple[str, ...] = ()) -> RuleSpec:
    """A rule on the word that is planted."""
    return RuleSpec(
        id=RULE,
        match=Match(direction=(direction,)),
        when=When(op="detector", name="osprey"),
        steps=(Step(action=action, restore_in=restore_in, rewrite="remove" if action == "rewrite" else ""),),
        mode="enforce",
    )


def blocked_in(dialect: str, reply: ListReply) -> None:
    """Check that an answer turns the call back in a dialect's own form, and tells nothing of the text."""
    assert reply.status == 400
    codec = CODECS.get(dialect) or CODECS["openai_chat"]
    error = codec.read_error(reply.status, {}, orjson.loads(reply.body))
    assert f"'{RULE}'" in error.public_message
    assert dialect in _BARE or b"policy_blocked" in reply.body.lower()
    assert b"osprey" not in reply.body


def edited(text: str, action: Any, told: str) -> str:
    """What becomes of a text with the word in it, given where it is told: a placeholder is made anew for each call."""
    found = PLACEHOLDER.search(told) if action == "mask" else None
    put = {"redact": "[OSPREY]", "rewrite": "", "annotate": "osprey"}.get(action, "")
    return text.replace("osprey", put if found is None else found.group())


def texts_sent(rooms: Rooms) -> str:
    """All the texts that the provider was sent, those inside texts of JSON included."""
    (wire,) = rooms.wires
    leaves = [leaf.text for leaf in walk_leaves(orjson.loads(wire.sent.partition(b"\r\n\r\n")[2]))]
    nested = [leaf.text for text in leaves if text.startswith("{") for leaf in walk_leaves(orjson.loads(text))]
    return "\n".join([*leaves, *nested])
