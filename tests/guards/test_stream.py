from __future__ import annotations

import random
import string

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import Blocked
from gateway.core.record import GuardEvent
from gateway.core.verdict import DetectorSpec, PatternSpec, RuleSpec, When
from gateway.guards.channel import MAX_HELD_CHARS, Piecewise
from gateway.guards.matcher import Matcher
from gateway.guards.rules import prepare
from gateway.guards.screening import Screening
from gateway.guards.stream import MAX_CHANNELS, StreamScreen
from gateway.guards.stream_plan import StreamPlan
from gateway.guards.validators import BLOCK_CHARS
from tests.guards.planted import MATCHER, NEAR, PROSE, SECRETS, cuts, detects, document, plant, rule

KEY = "AKIAIOSFODNN7EXAMPLQ"
TEXT = (0, "text")
BOTH = When(op="all", parts=(detects("keys"), detects("words")))
EITHER = When(op="any", parts=(detects("keys"), detects("words")))
NO_KEYS = When(op="not", parts=(detects("keys"),))


def screening(*specs: RuleSpec) -> Screening:
    return Screening(MATCHER, tuple(prepare(spec) for spec in specs))


REDACTING = screening(rule(EITHER, name="no-keys"), rule("words", "annotate"))
REDACTING_PLAN = StreamPlan(REDACTING)
PLANS = {
    "redact": REDACTING_PLAN,
    "audit": StreamPlan(screening(rule(EITHER, "redact", "audit"))),
    "all": StreamPlan(screening(rule(BOTH))),
}


def screen(plan: StreamPlan = REDACTING_PLAN) -> StreamScreen:
    return StreamScreen(plan, lambda: 0)


def whole(rules: Screening, text: str) -> str:
    finding = rules.screen(text)
    return text if finding is None or finding.text is None else finding.text


def stream(pieces: list[str], plan: StreamPlan = REDACTING_PLAN) -> tuple[list[str], StreamScreen]:
    """Everything released so far after each piece, the end last."""
    guard = screen(plan)
    released: list[str] = []
    out = ""
    for piece in pieces:
        out += guard.feed(TEXT, piece)
        released.append(out)
    released.append(out + guard.finish(TEXT))
    return released, guard


def facts(events: list[GuardEvent]) -> list[tuple[str, str, int, int]]:
    return sorted((event.rule, event.detector, event.start, event.end) for event in events)


@pytest.mark.parametrize(("low", "high"), [(1, 1), (1, 4), (3, 9), (20, 60), (400, 400)])
def test_what_is_released_is_always_a_prefix_of_the_redacted_whole(low: int, high: int) -> None:
    source = random.Random(low * 1000 + high)
    for _ in range(60):
        text, secrets = document(source, 30)
        expected = whole(REDACTING, text)
        released, guard = stream(list(cuts(source, text, low, high)))
        for out in released:
            assert expected.startswith(out)
        assert released[-1] == expected
        finding = REDACTING.screen(text)
        wanted = [
            (fired.spec.id, f"{hit.detector}/{hit.pattern}", hit.start, hit.end)
            for fired in (finding.fired if finding else ())
            for hit in (finding.hits if finding else ())
            if hit.detector in fired.detectors
        ]
        assert facts(guard.events) == sorted(wanted)
        for secret in secrets:
            assert secret not in released[-1]
            assert secret not in repr(guard.events)


PIECES = st.one_of(
    st.sampled_from(PROSE),
    st.sampled_from(NEAR),
    st.sampled_from(
        [" ", "\n", ".", "-----", ":", "://", "@", "\\n", "%3D", "\x1b[0m", "é", "日本", "x", "y", "z", "aws"]
    ),
    st.builds(lambda seed: plant(random.Random(seed), random.Random(seed).choice(SECRETS))[0], st.integers(0, 2**32)),
    st.text(alphabet="AKIAsk-ghp_eyJ.0123456789", min_size=1, max_size=24),
)


@given(st.lists(PIECES, max_size=16), st.lists(st.integers(1, 40), max_size=40))
def test_no_cut_changes_what_comes_out(parts: list[str], sizes: list[int]) -> None:
    text = "".join(parts)
    pieces: list[str] = []
    at = 0
    for size in sizes:
        pieces.append(text[at : at + size])
        at += size
    pieces.append(text[at:])
    expected = whole(REDACTING, text)
    released, _ = stream(pieces)
    assert all(expected.startswith(out) for out in released)
    assert released[-1] == expected


def test_a_key_in_three_pieces_is_one_marker() -> None:
    released, guard = stream(["AKIA", "IOSFODNN", "7EXAMPLQ ok."])
    assert released == ["", "", "[AWS_KEY] ok.", "[AWS_KEY] ok."]
    assert (guard.action, guard.rule) == ("redact", "")
    event = guard.events[0]
    assert (event.path, event.start, event.end, event.direction) == ("choices[0].text", 0, 20, "response")


def test_a_format_behind_what_looks_like_its_beginning_is_found_in_any_cut() -> None:
    body = "".join(random.Random(8).choices("abcdefghij0123456789", k=22))
    text = f"BEGIN_M{body}a.bcdefg.{body}hijkl "
    assert stream(list(text))[0][-1] == "BEGIN_[DISCORD_TOKEN] "


def test_a_secret_that_begins_late_in_its_match_waits_for_what_may_begin_before_it() -> None:
    named = PatternSpec(name="LAST", expression="k=[a-z0-9]{40}", label="LAST", validator="last32")
    longer = PatternSpec(name="LONG", expression="=[a-z0-9]{60}", label="LONG")
    matcher = Matcher([DetectorSpec(name="d", use="pattern", patterns=(named, longer))])
    rules = Screening(matcher, (prepare(rule("d")),))
    value = "".join(random.Random(1).choices(string.ascii_lowercase + string.digits, k=60))
    for text in (f"k={value} end", f"k={value[:50]} end", f"k={value[:40]} end"):
        expected = whole(rules, text)
        released, _ = stream(list(text), StreamPlan(rules))
        assert all(expected.startswith(out) for out in released)
        assert released[-1] == expected
    assert whole(rules, f"k={value}") == "k[LONG]"


def test_prose_is_released_almost_as_it_comes() -> None:
    prose = "Here is a plain answer about deploying the service on three nodes, with 12 steps and a summary. " * 20
    guard = screen()
    held: list[int] = []
    fed = out = 0
    for piece in cuts(random.Random(1), prose, 3, 6):
        fed += len(piece)
        out += len(guard.feed(TEXT, piece))
        held.append(fed - out)
    assert max(held) <= 16
    assert sum(held) / len(held) < 2


def test_a_growing_secret_leaves_its_marker_before_it_ends() -> None:
    guard = screen()
    body = "aB3dE6gH9jK2mN5pQ8rS"
    assert guard.feed(TEXT, f"key sk-ant-{body}{body}") == "key [ANTHROPIC_KEY]"
    assert guard.feed(TEXT, body * 200) == ""
    assert guard.feed(TEXT, ", then") == ", then"
    assert guard.events[0].end == 4 + 7 + 20 * 202


def test_memory_stays_small_on_an_endless_token() -> None:
    guard = screen()
    guard.feed(TEXT, "sk-ant-")
    for _ in range(200):
        guard.feed(TEXT, "aB3dE6gH9jK2mN5pQ8rS" * 50)
    channel = guard._channels[TEXT]
    assert isinstance(channel, Piecewise)
    assert len(channel._text) < 4096


def test_an_unclosed_private_key_swallows_the_rest() -> None:
    opening = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7bq+xyzabc\n"
    text = f"see {opening}" + "A" * (BLOCK_CHARS + 10) + "-----END RSA PRIVATE KEY----- more"
    released, guard = stream(list(cuts(random.Random(4), text, 1, 700)))
    assert released[-1] == "see [PRIVATE_KEY]"
    assert guard.events[0].end == len(text)
    closed = f"see {opening}-----END RSA PRIVATE KEY----- more"
    assert stream(list(closed))[0][-1] == "see [PRIVATE_KEY] more"


def test_choices_and_kinds_do_not_mix() -> None:
    guard = screen()
    assert guard.feed((0, "text"), "AKIAIOSF") == ""
    assert guard.feed((1, "text"), "ODNN7EXAMPLQ ") == "ODNN7EXAMPLQ "
    assert guard.feed((0, "reasoning"), "ODNN7EXAMPLQ ") == "ODNN7EXAMPLQ "
    assert guard.finish((0, "text")) == "AKIAIOSF"
    assert guard.finish((5, "text")) == ""


def test_a_channel_that_ended_begins_anew() -> None:
    guard = screen()
    guard.feed(TEXT, "x")
    guard.finish(TEXT)
    assert guard.feed(TEXT, f"{KEY} ") == "[AWS_KEY] "
    assert guard.events[0].start == 0


def test_tool_arguments_are_held_and_stay_json() -> None:
    guard = screen()
    channel = (0, "tool_argument/2")
    text = orjson.dumps({"a": KEY, "b": [1, "opal"]}).decode()
    assert guard.feed(channel, text[:9]) == ""
    assert guard.feed(channel, text[9:]) == ""
    assert guard.finish(channel) == '{"a":"[AWS_KEY]","b":[1,"[OP]"]}'
    assert {event.path for event in guard.events} == {"choices[0].tool_argument/2"}


def test_a_block_raises_and_goes_on_raising() -> None:
    guard = screen(StreamPlan(screening(rule("words"), rule("keys", "block", name="stop"))))
    assert guard.feed(TEXT, "an opal and AKIAIOSFOD") == "an [OP] and "
    with pytest.raises(Blocked) as blocked:
        guard.feed(TEXT, "NN7EXAMPLQ and more")
    assert blocked.value.rule == "stop"
    assert (guard.action, guard.rule) == ("block", "stop")
    assert KEY not in repr(blocked.value) + repr(guard.events)
    assert guard.events[-1].detector == "keys/AWS_KEY"
    with pytest.raises(Blocked):
        guard.feed((1, "text"), "x")
    with pytest.raises(Blocked):
        guard.finish(TEXT)


def test_a_block_in_the_last_piece_raises_when_the_channel_ends() -> None:
    plan = StreamPlan(screening(rule("keys", "block", name="stop")))
    guard = screen(plan)
    assert guard.feed(TEXT, KEY) == ""
    with pytest.raises(Blocked):
        guard.finish(TEXT)
    guard = screen(plan)
    guard.feed((0, "tool_argument/0"), f'["{KEY}"]')
    with pytest.raises(Blocked):
        guard.finish((0, "tool_argument/0"))
    assert guard.rule == "stop"


@pytest.mark.parametrize(("low", "high"), [(1, 3), (30, 90)])
def test_blocked_streams_release_a_prefix_of_what_stood_before(low: int, high: int) -> None:
    plan = StreamPlan(screening(rule("keys", "block", name="stop")))
    source = random.Random(low)
    for _ in range(40):
        text, _ = document(source, 12)
        hits = [hit for hit in MATCHER.find(text) if hit.detector == "keys"]
        guard = screen(plan)
        out = ""
        try:
            for piece in cuts(source, text, low, high):
                out += guard.feed(TEXT, piece)
            out += guard.finish(TEXT)
        except Blocked:
            assert hits
            assert text[: hits[0].start].startswith(out)
        else:
            assert not hits
            assert out == text


def test_what_is_only_observed_is_never_held_back() -> None:
    source = random.Random(9)
    for _ in range(30):
        text, _ = document(source, 60)
        pieces = list(cuts(source, text, 1, 9))
        guard = screen(PLANS["audit"])
        assert [guard.feed(TEXT, piece) for piece in pieces] == pieces
        assert guard.finish(TEXT) == ""
        assert guard.action == "allow"
        wanted = [("redact-audit", f"{hit.detector}/{hit.pattern}", hit.start, hit.end) for hit in MATCHER.find(text)]
        assert facts(guard.events) == sorted(wanted)
    guard = screen(PLANS["audit"])
    assert guard.feed((0, "tool_argument/0"), f'["{KEY}"]') == f'["{KEY}"]'
    assert guard.finish((0, "tool_argument/0")) == ""
    assert len(guard.events) == 1


def test_rules_that_need_the_whole_text_hold_their_channel() -> None:
    guard = screen(PLANS["all"])
    assert guard.feed(TEXT, f"{KEY} and ") == ""
    assert guard.feed(TEXT, "opal.") == ""
    assert guard.finish(TEXT) == "[AWS_KEY] and [OP]."
    assert guard.feed(TEXT, KEY) == ""
    assert guard.finish(TEXT) == KEY


def test_observed_rules_over_the_whole_text_are_judged_at_its_end() -> None:
    plan = StreamPlan(screening(rule("words"), rule(BOTH, "annotate", name="both"), rule(NO_KEYS, "block", "audit")))
    released, guard = stream([KEY, " opal ", "then"], plan)
    assert released == ["", f"{KEY} [OP] ", f"{KEY} [OP] then", f"{KEY} [OP] then"]
    assert [event.rule for event in guard.events if event.rule == "both"] == ["both", "both"]
    assert guard.action == "redact"
    _, guard = stream(["plain"], plan)
    assert [(event.rule, event.detector) for event in guard.events] == [("block-audit", "")]


def test_a_held_channel_is_bounded_and_fails_closed() -> None:
    guard = screen(PLANS["all"])
    piece = "x" * (MAX_HELD_CHARS // 4)
    for _ in range(4):
        guard.feed(TEXT, piece)
    with pytest.raises(Blocked):
        guard.feed(TEXT, "x")
    observed = screen(PLANS["audit"])
    for _ in range(5):
        assert observed.feed((0, "tool_argument/0"), piece) == piece
    assert observed.finish((0, "tool_argument/0")) == ""


def test_channels_are_bounded() -> None:
    guard = screen()
    for number in range(MAX_CHANNELS):
        guard.feed((number, "text"), "x")
    with pytest.raises(Blocked):
        guard.feed((MAX_CHANNELS, "text"), "x")
    observed = screen(PLANS["audit"])
    for number in range(MAX_CHANNELS + 1):
        assert observed.feed((number, "text"), "x") == "x"


def test_events_are_bounded() -> None:
    _, guard = stream(["opal "] * 400)
    assert len(guard.events) == 256


@pytest.mark.parametrize("alphabet", [string.ascii_letters + string.digits + "+/", "eyJ.", "AKI", "a"])
def test_each_piece_of_a_long_unbroken_run_costs_the_same(alphabet: str) -> None:
    run = "".join(random.Random(6).choices(alphabet, k=60_000))
    guard = screen()
    out: list[str] = []
    for piece in cuts(random.Random(7), run, 3, 6):
        out.append(guard.feed(TEXT, piece))
        channel = guard._channels[TEXT]
        assert isinstance(channel, Piecewise)
        # All that is at hand is looked at once a piece, so it may not grow with the run.
        assert len(channel._text) <= 2 * MATCHER.context
    assert "".join(out) + guard.finish(TEXT) == run


@pytest.mark.parametrize("plan", ["redact", "all"])
@pytest.mark.parametrize("size", [1, 7, 4_000])
def test_a_signature_over_edited_text_ends_the_stream(plan: str, size: int) -> None:
    text = f"the {KEY} and the launch code word osprey."
    for said, edited in ((text, True), ("nothing to see here.", False)):
        guard, released = screen(PLANS[plan]), ""
        for at in range(0, len(said), size):
            released += guard.feed(TEXT, said[at : at + size])
        released += guard.finish(TEXT)
        if released == said:
            guard.seal(TEXT)
            assert not edited or plan == "all"
            continue
        with pytest.raises(Blocked) as caught:
            guard.seal(TEXT)
        assert caught.value.rule
        assert guard.action == "block"
