from __future__ import annotations

from typing import Any

from gateway.core.verdict import CallFacts
from gateway.policy.cases import MODEL, ROUTE, PolicyTest
from gateway.policy.load import bundle_of

HEAD = "apiVersion: weighbridge/v1\nkind: Policy\nmetadata: {name: n}\ntests:\n"


def case(given: str, expect: str = "{action: allow}") -> PolicyTest:
    loaded = bundle_of([("p", f"{HEAD}- {{name: t, given: {given}, expect: {expect}}}")])
    assert loaded.problems == ()
    (test,) = loaded.tests
    return test


def at(test: PolicyTest) -> object:
    found: Any = test.answer or test.request
    for step in test.target:
        found = found[step]
    return found


def test_a_text_is_a_message_of_its_role():
    test = case("{role: system, text: be kind}")
    assert test.request == {"model": MODEL, "messages": [{"role": "system", "content": "be kind"}]}
    assert (test.direction, test.answer, at(test)) == ("request", None, "be kind")


def test_the_result_of_a_tool_follows_its_call():
    test = case("{role: tool, tool: search, text: found}")
    asked, call, result = test.request["messages"]
    assert asked["role"] == "user"
    assert call["tool_calls"][0]["function"] == {"name": "search", "arguments": "{}"}
    assert result == {"role": "tool", "content": "found", "tool_call_id": call["tool_calls"][0]["id"]}
    assert at(test) == "found"


def test_what_the_assistant_says_is_an_answer():
    test = case("{role: assistant, text: hi}")
    assert test.answer
    assert test.answer["choices"][0]["message"] == {"role": "assistant", "content": "hi"}
    assert (test.direction, at(test)) == ("response", "hi")


def test_what_it_said_before_is_part_of_a_request():
    test = case("{role: assistant, text: hi, direction: request}")
    assert [message["role"] for message in test.request["messages"]] == ["user", "assistant"]
    assert (test.direction, test.answer, at(test)) == ("request", None, "hi")


def test_a_call_of_a_tool_holds_its_arguments_as_json():
    for given in ("{call: mcp:mail/send, args: {to: [a]}}", "{tool: mcp:mail/send, tool_args: {to: [a]}}"):
        test = case(given)
        assert test.answer
        assert test.answer["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "mcp:mail/send"
        assert test.answer["choices"][0]["finish_reason"] == "tool_calls"
        assert at(test) == '{"to":["a"]}'


def test_templates_are_expanded_wherever_text_stands():
    test = case("{tool_args: {'k{{digits:2}}': ['{{upper:3}}', 5]}}")
    assert str(at(test)).count("{{") == 0
    assert case("{messages: [{role: user, content: [{type: text, text: '{{zw:ab}}'}]}]}").request["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "a\u200bb"}]}
    ]


def test_a_stream_keeps_its_pieces():
    test = case("{stream: [a, b]}")
    assert (test.stream, test.direction, test.request["stream"], test.facts.stream) == (
        ("a", "b"),
        "response",
        True,
        True,
    )


def test_tools_that_are_offered_are_in_the_request():
    test = case("{role: user, text: x, tools: [t, {name: u, description: d, parameters: {type: object}}]}")
    assert [tool["function"] for tool in test.request["tools"]] == [
        {"name": "t", "description": "", "parameters": {}},
        {"name": "u", "description": "d", "parameters": {"type": "object"}},
    ]


def test_who_calls_is_what_rules_may_ask():
    test = case(
        "{role: user, text: x, route: /v1/qa, model: m, provider: p, key: k, team: t, tag: env=prod, session: s,"
        " tainted: true, headers: {x-weighbridge-policy: strict, x-weighbridge-tags: 'a=1, b=2'}}"
    )
    assert test.facts == CallFacts(
        route="/v1/qa", model="m", provider="p", key="k", team="t", session="s",
        tags={"env": "prod", "a": "1", "b": "2"}, tainted=True, strict=True,
    )  # fmt: skip
    assert case("{role: user, text: x}").facts == CallFacts(route=ROUTE, model=MODEL)


def test_a_tag_without_a_value_is_a_problem():
    loaded = bundle_of([("p", HEAD + "- {name: t, given: {role: user, text: x, tag: prod}, expect: {action: allow}}")])
    assert [str(problem) for problem in loaded.problems] == ["p:5: tests[0].given.tag: should be name=value"]


def test_what_is_expected_is_kept():
    test = case("{role: user, text: x}", "{action: route, output: y, route: alias, restored: z}")
    assert (test.action, test.output, test.route, test.restored) == ("route", "y", "alias", "z")
