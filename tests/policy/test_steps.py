from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from gateway.core.verdict import Canary, Step
from gateway.policy.steps import ModeSpec, parse_mode, parse_steps


@pytest.mark.parametrize(
    ("written", "steps"),
    [
        ("block", [Step(action="block")]),
        ("mask", [Step(action="mask")]),
        ({"mask": {"restore_in": ["assistant_text"]}}, [Step(action="mask", restore_in=("assistant_text",))]),
        (
            {"mask": {"restore_in": ["reasoning", "tool_args:mcp:mail/*"]}},
            [Step(action="mask", restore_in=("reasoning", "tool_args:mcp:mail/*"))],
        ),
        ({"mask": {"restore_in": "assistant_text"}}, [Step(action="mask", restore_in=("assistant_text",))]),
        ({"mask": None}, [Step(action="mask")]),
        ({"rewrite": "text_only"}, [Step(action="rewrite", rewrite="text_only")]),
        ({"route": "private-pool"}, [Step(action="route", route="private-pool")]),
        ({"score": 2.5}, [Step(action="score", score=2.5)]),
        (
            [{"taint": "session"}, {"score": 2}],
            [Step(action="score", score=2.0), Step(action="taint", taint="session")],
        ),
        (["annotate", "block"], [Step(action="block"), Step(action="annotate")]),
    ],
)
def test_what_a_rule_does_comes_strongest_first(written: object, steps: list[Step]):
    assert list(parse_steps(written)) == steps


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ([], "does nothing"),
        (5, "should be an action"),
        ({"score": 5, "taint": "session"}, "should be an action"),
        ("bock", "no action is called 'bock'; did you mean 'block'?"),
        ({"drop": 1}, "no action is called 'drop'; there are block,"),
        ({"block": 1}, "block takes nothing"),
        ("score", "score needs to say more, such as {score: 5}"),
        ("rewrite", "such as {rewrite: text_only}"),
        ({"score": 0}, "more than 0"),
        ({"score": True}, "more than 0"),
        ({"score": "5"}, "more than 0"),
        ({"taint": "user"}, "what can be tainted is the session"),
        ({"route": ""}, "names a model alias"),
        ({"rewrite": "nothing"}, "text_only"),
        ({"mask": {"scope": "session"}}, "mask takes restore_in"),
        ({"mask": {"restore_in": ["urls"]}}, "restore_in names assistant_text"),
        ({"mask": {"restore_in": ["tool_args:"]}}, "restore_in names assistant_text"),
        (["redact", "mask"], "redact and mask cannot be done to one text"),
        (["block", "block"], "names block twice"),
    ],
)
def test_what_makes_no_sense_is_said(written: object, said: str):
    with pytest.raises(ValueError, match=said.replace("{", r"\{").replace("}", r"\}").replace("?", r"\?")):
        parse_steps(written)


@pytest.mark.parametrize("written", ["hold", {"hold": {"by": "leads"}}, ["annotate", "hold"]])
def test_approval_is_not_built(written: object):
    with pytest.raises(PydanticCustomError, match="action 'hold' is not yet available"):
        parse_steps(written)


@pytest.mark.parametrize(
    ("written", "mode"),
    [
        ("audit", ModeSpec("audit")),
        ("shadow", ModeSpec("shadow")),
        ("enforce", ModeSpec("enforce")),
        ({"canary": "10%"}, ModeSpec("canary", Canary(share=0.1))),
        (
            {"canary": "0.5%", "sticky_by": "team", "rest": "shadow"},
            ModeSpec("canary", Canary(share=0.005, sticky_by="team", rest="shadow")),
        ),
    ],
)
def test_modes(written: object, mode: ModeSpec):
    assert parse_mode(written) == mode


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("on", "should be 'audit', 'shadow', 'enforce'"),
        ("enforced", "did you mean 'enforce'"),
        (True, "should be 'audit'"),
        ({}, "should be 'audit'"),
        ({"sticky_by": "key"}, "should say the share"),
        ({"canary": 10}, "a share such as 10%"),
        ({"canary": "100%"}, "say audit or enforce instead"),
        ({"canary": "0%"}, "say audit or enforce instead"),
        ({"canary": "1%", "sticky_by": "ip"}, "sticky_by should be"),
        ({"canary": "1%", "rest": "enforce"}, "rest should be"),
        ({"canary": "1%", "sticky": "key"}, "unknown key 'sticky'; did you mean 'sticky_by'"),
    ],
)
def test_what_is_no_mode_is_said(written: object, said: str):
    with pytest.raises(ValueError, match=said):
        parse_mode(written)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(["block", "mask", "score", "session", "10%", "canary", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["mask", "score", "taint", "restore_in", "canary", "rest", "block"]), inner, max_size=2
        )
    ),
    max_leaves=6,
)


@given(VALUES)
def test_no_value_raises_anything_else(value: object):
    for parse in (parse_steps, parse_mode):
        try:
            parse(value)
        except (ValueError, PydanticCustomError):
            continue
