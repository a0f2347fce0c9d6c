from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, cast

import orjson
import pytest
from msgspec.structs import replace

from gateway.core.errors import Misconfigured
from gateway.core.ports import Dialect
from gateway.core.segments import Path, Segment, walk_leaves
from gateway.core.verdict import Bundle, CallFacts, DetectorSpec, Globs, Match, PatternSpec, RuleSpec, When
from gateway.guards.engine import GuardEngine, GuardPlan
from tests.guards.planted import SECRETS, bundle, detects, document, plant, rule

KEY = "AKIAIOSFODNN7EXAMPLQ"
WHERE = CallFacts(route="/v1/chat/completions", model="gpt-4o", provider="openai", team="support")


class Chat:
    """A dialect that knows messages with roles and walks the rest; arguments are JSON in text."""

    name = "chat"

    def segments(self, document: Any) -> Iterator[Segment]:
        for index, message in enumerate(document.get("messages", ())):
            for name, value in message.items():
                path: Path = ("messages", index, name)
                if name == "arguments":
                    yield Segment(path, message["role"], "tool_argument", value, encoded=True)
                elif name != "role":
                    yield from walk_leaves(value, path, role=message["role"], kind="text")
        yield from walk_leaves({name: value for name, value in document.items() if name != "messages"})

    answer_segments = segments

    def strip_repeats(self, document: Any, paths: set[Path]) -> Any:
        return {**document, "stripped": sorted(str(path) for path in paths)}


CHAT = cast("Dialect", Chat())


def plan(*rules: RuleSpec, **where: Any) -> GuardPlan:
    return GuardEngine(bundle(*rules), lambda: 0).plan(replace(WHERE, **where))


def say(*texts: str, role: str = "user") -> dict[str, Any]:
    return {"messages": [{"role": role, "content": text} for text in texts]}


def test_without_rules_nothing_is_active_and_documents_pass() -> None:
    quiet = plan()
    document = say(KEY)
    assert not quiet.request_active
    assert not quiet.response_active
    assert quiet.revision == "0123456789ab"
    assert quiet.screen_request(CHAT, document).document is document
    assert quiet.screen_answer(CHAT, document).document is document
    assert quiet.screen_opaque("request").coverage == 1.0
    assert quiet.stream_screen().feed((0, "text"), KEY) == KEY


def test_a_clean_document_is_the_same_object() -> None:
    document = say("hello", "world")
    screened = plan(rule("keys")).screen_request(CHAT, document)
    assert screened.document is document
    assert (screened.action, screened.edited, screened.events, screened.coverage) == ("allow", False, [], 1.0)


def test_redaction_edits_a_copy_and_says_where() -> None:
    document = say("hello", f"my key is {KEY}.")
    before = orjson.dumps(document)
    screened = plan(rule("keys", name="no-keys")).screen_request(CHAT, document)
    assert screened.document == say("hello", "my key is [AWS_KEY].")
    assert orjson.dumps(document) == before
    assert (screened.action, screened.edited, screened.rule) == ("redact", True, "")
    event = screened.events[0]
    assert (event.rule, event.detector, event.action, event.mode) == ("no-keys", "keys/AWS_KEY", "redact", "enforce")
    assert (event.direction, event.path, event.start, event.end) == ("request", "messages[1].content", 10, 30)


def test_blocking_names_the_rule_and_edits_nothing() -> None:
    document = say(f"{KEY} opal")
    screened = plan(rule("words", name="mask"), rule("keys", "block", name="stop")).screen_request(CHAT, document)
    assert (screened.action, screened.rule, screened.edited) == ("block", "stop", False)
    assert screened.document is document
    assert {event.rule for event in screened.events} == {"mask", "stop"}


def test_audit_records_and_does_nothing() -> None:
    document = say(KEY)
    screened = plan(rule("keys", "block", "audit")).screen_request(CHAT, document)
    assert (screened.action, screened.rule, screened.edited) == ("allow", "", False)
    assert screened.document is document
    assert [(event.action, event.mode) for event in screened.events] == [("block", "audit")]


def test_annotating_is_an_action_of_its_own() -> None:
    screened = plan(rule("keys", "annotate")).screen_request(CHAT, say(KEY))
    assert (screened.action, screened.edited, len(screened.events)) == ("annotate", False, 1)


def test_rules_apply_by_role() -> None:
    users_only = plan(rule("keys", match=Match(role=Globs(include=("user",)))))
    assert users_only.screen_request(CHAT, say(KEY, role="tool")).action == "allow"
    assert users_only.screen_request(CHAT, say(KEY, role="user")).action == "redact"
    assert users_only.request_active
    assert not users_only.response_active


def test_rules_apply_by_direction() -> None:
    answers_only = plan(rule("keys", match=Match(direction=("response",))))
    assert not answers_only.request_active
    assert answers_only.response_active
    assert answers_only.screen_opaque("request").coverage == 1.0
    assert answers_only.screen_opaque("response").coverage == 0.0


def test_rules_apply_by_what_the_exchange_is() -> None:
    engine = GuardEngine(
        bundle(rule("keys", match=Match(model=Globs(include=("gpt-*",)), team=Globs(include=("support",)))))
    )
    assert engine.plan(WHERE).request_active
    assert not engine.plan(replace(WHERE, model="claude")).request_active
    assert not engine.plan(replace(WHERE, team="sales")).request_active


def test_plans_are_remembered_and_bounded() -> None:
    asking = rule("keys", match=Match(model=Globs(exclude=("private-*",))))
    engine = GuardEngine(bundle(asking))
    first = engine.plan(WHERE)
    assert engine.plan(WHERE) is first
    for number in range(6000):
        assert engine.plan(replace(WHERE, model=f"m{number}")) is first
    assert engine.plan(replace(WHERE, model="m" * 100_000)) is first
    assert len(engine._plans) <= 4096
    assert max(len(model) for model in engine._plans) < 1024
    assert engine.plan(replace(WHERE, model="private-1")) is not first


def test_plans_are_remembered_by_what_rules_ask_alone() -> None:
    engine = GuardEngine(bundle(rule("keys")))
    for number in range(100):
        facts = replace(WHERE, model=f"m{number}", session=f"s{number}", key=f"k{number}", tags={"n": str(number)})
        assert engine.plan(facts) is engine.plan(WHERE)
    assert len(engine._plans) == 1
    tagged = GuardEngine(bundle(rule("keys", match=Match(tag=Globs(include=("env=prod",))))))
    plans = [
        tagged.plan(replace(WHERE, tags={"env": "prod" if odd else f"e{number}"}))
        for number in range(50)
        for odd in (0, 1)
    ]
    assert {plan.request_active for plan in plans} == {True, False}
    assert len(tagged._plans) == 2


def test_roles_a_client_makes_up_are_not_remembered_without_end() -> None:
    rules = plan(rule("keys"))
    for number in range(100):
        assert rules.screen_request(CHAT, say(KEY, role=f"role{number}")).action == "redact"
    assert len(rules.request._screenings) <= 64


def test_answers_lose_what_repeats_an_edited_text() -> None:
    screened = plan(rule("keys")).screen_answer(CHAT, say(KEY, role="assistant"))
    assert screened.document["stripped"] == ["('messages', 0, 'content')"]
    assert screened.events[0].direction == "response"
    assert "stripped" not in plan(rule("keys")).screen_answer(CHAT, say("hi")).document


def test_tool_arguments_stay_valid_json() -> None:
    document = {"messages": [{"role": "assistant", "arguments": f'{{"t": "{KEY}", "\\u0041KIAIOSFODNN7EXAMPLQ": 1}}'}]}
    screened = plan(rule("keys")).screen_request(CHAT, document)
    arguments = screened.document["messages"][0]["arguments"]
    assert orjson.loads(arguments) == {"t": "[AWS_KEY]", "[AWS_KEY]": 1}


def test_escaped_tool_arguments_alone_are_noticed() -> None:
    document = {"messages": [{"role": "assistant", "arguments": '{"t":"\\u0041KIAIOSFODNN7EXAMPLQ"}'}]}
    assert plan(rule("keys")).screen_request(CHAT, document).edited


def test_renamed_members_hide_no_other_and_paths_show_no_secret() -> None:
    document = {"metadata": {KEY: {KEY[:-1] + "F": KEY}, "[AWS_KEY]": 2, KEY[:-1] + "G": 3}}
    screened = plan(rule("keys")).screen_request(CHAT, document)
    assert screened.document == {
        "metadata": {"[AWS_KEY]_2": {"[AWS_KEY]": "[AWS_KEY]"}, "[AWS_KEY]": 2, "[AWS_KEY]_3": 3}
    }
    assert "AKIA" not in repr(screened.events)
    assert "metadata.[AWS_KEY].[AWS_KEY]" in [event.path for event in screened.events]


def test_numbers_are_texts_too() -> None:
    pin = DetectorSpec(name="pin", use="pattern", patterns=(PatternSpec(name="PIN", expression="4711", label="PIN"),))
    engine = GuardEngine(Bundle(revision="r", detectors=(pin,), rules=(rule("pin"),)))
    assert engine.plan(WHERE).screen_request(CHAT, {"n": 47110, "m": 1}).document == {
        "n": "[PIN]0",
        "m": 1,
    }


def test_expressions_are_judged_text_by_text() -> None:
    both = plan(rule(When(op="all", parts=(detects("keys"), detects("words"))), "block"))
    assert both.screen_request(CHAT, say(KEY, "opal")).action == "allow"
    assert both.screen_request(CHAT, say(f"{KEY} opal")).action == "block"
    missing = plan(rule(When(op="not", parts=(detects("words"),)), "block", match=Match(role=Globs(include=("user",)))))
    assert missing.screen_request(CHAT, say("opal")).action == "allow"
    assert missing.screen_request(CHAT, say("plain")).action == "block"


def test_a_rule_over_an_unknown_detector_is_refused() -> None:
    with pytest.raises(Misconfigured, match="nobody"):
        GuardEngine(bundle(rule("nobody")))


def test_a_document_that_is_text_is_screened_as_one() -> None:
    class Text(Chat):
        def segments(self, document: Any) -> Iterator[Segment]:
            return walk_leaves(document)

        answer_segments = segments

        def strip_repeats(self, document: Any, paths: set[Path]) -> Any:
            return document

    screened = plan(rule("keys")).screen_answer(cast("Dialect", Text()), f"<p>{KEY}</p>")
    assert screened.document == "<p>[AWS_KEY]</p>"


def test_no_secret_leaves_in_a_document_nor_in_its_events() -> None:
    source = random.Random(23)
    rules = plan(rule("keys"), rule("keys", "annotate"), rule("words", "annotate", "audit"))
    for _ in range(60):
        texts, secrets = zip(*[document(source, 8) for _ in range(5)], strict=True)
        made = say(*texts)
        named, secret = plant(source, source.choice(SECRETS))
        made[f"x {named}"] = [1, {"y": texts[0]}]
        screened = rules.screen_request(CHAT, made)
        shown = repr(screened.document) + repr(screened.events)
        for piece in [secret, *[item for found in secrets for item in found]]:
            assert repr(piece)[1:-1] not in shown
        assert len(screened.events) <= 256
