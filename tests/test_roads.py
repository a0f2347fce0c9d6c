"""What trips are made from: shared choosers, and the prefix that affinity goes by."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.core.exchange import Request, RoutePlan, RoutePolicy
from gateway.roads import Prefix, Roads, prefix_of
from gateway.routing.health import Healths
from gateway.wire import openai_chat
from tests.support.rooms import PROVIDER


def prefix(messages: list[dict[str, Any]], **more: Any) -> bytes:
    document = {"model": "m", "messages": messages, **more}
    return prefix_of(
        openai_chat.DIALECT,
        Request(dialect="openai_chat", operation="chat", route="", upstream_path="", document=document),
    )


SYSTEM = {"role": "system", "content": "You are a lighthouse."}
FIRST = {"role": "user", "content": "Is anybody out there?"}
LATER = [{"role": "assistant", "content": "Yes."}, {"role": "user", "content": "Who?"}]


def test_a_conversation_keeps_its_prefix_while_it_grows():
    assert prefix([SYSTEM, FIRST]) == prefix([SYSTEM, FIRST, *LATER]) == prefix([SYSTEM, FIRST, *LATER, *LATER])


def test_another_instruction_tool_or_first_turn_is_another_prefix():
    tool = {"type": "function", "function": {"name": "t", "description": "Blinks.", "parameters": {}}}
    other = {"role": "user", "content": "Hello?"}
    made = [prefix([SYSTEM, FIRST]), prefix([FIRST]), prefix([SYSTEM, other]), prefix([SYSTEM, FIRST], tools=[tool])]
    assert len(set(made)) == len(made)


def test_what_has_no_document_has_no_prefix():
    request = Request(dialect="passthrough", operation="", route="", upstream_path="")
    assert prefix_of(openai_chat.DIALECT, request) == b""


def test_a_prefix_is_worked_out_when_it_is_asked_for_and_once():
    request = Request(dialect="openai_chat", operation="chat", route="", upstream_path="")
    asked = Prefix(openai_chat.DIALECT, request)
    request.document = {"model": "m", "messages": [SYSTEM, FIRST]}
    first = asked()
    request.document = {"model": "m", "messages": [FIRST]}
    assert first == asked() == prefix([SYSTEM, FIRST]) != prefix([FIRST])


def test_all_callers_of_an_alias_share_their_chooser_until_it_changes():
    roads = Roads(Healths(lambda: 0.0))
    plan = RoutePlan(alias="m", candidates=(PROVIDER, PROVIDER), main=2, policy=RoutePolicy())
    chooser = roads.chooser(plan)
    assert roads.chooser(plan) is chooser
    assert roads.chooser(msgspec.structs.replace(plan, policy=RoutePolicy(retries=1))) is not chooser
