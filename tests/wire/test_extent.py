from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import RequestTooLarge
from gateway.wire import extent
from gateway.wire.extent import MAX_VALUES, check_extent

SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | st.text("a,[{:", max_size=3)
DOCUMENTS = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=2), inner, max_size=5)
)


def values(document: Any) -> int:
    if isinstance(document, dict):
        return len(document) + sum(map(values, document.values()))
    return len(document) + sum(map(values, document)) if isinstance(document, list) else 0


def refused(document: Any, **options: str) -> bool:
    try:
        check_extent(orjson.dumps(document), document, **options)
    except RequestTooLarge:
        return True
    return False


@given(DOCUMENTS, st.integers(0, 30))
def test_no_document_beyond_the_bound_passes_and_none_within_it_is_refused(document: Any, bound: int):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(extent, "MAX_VALUES", bound)
        assert refused(document) == (values(document) > bound)


@pytest.mark.parametrize(
    "document",
    [
        {"x": [0] * MAX_VALUES},
        {"x": [{}] * MAX_VALUES},
        {"x": [[[[]]]] * (MAX_VALUES // 2)},
        {str(number): 0 for number in range(MAX_VALUES + 1)},
        {"messages": [{"role": "user", "content": "a"}] * (MAX_VALUES // 3 + 1)},
    ],
    ids=["numbers", "objects", "arrays", "members", "messages"],
)
def test_many_small_values_are_refused(document: Any):
    assert refused(document)


def test_a_long_text_full_of_commas_is_one_value():
    assert not refused({"messages": [{"role": "user", "content": "[{,}]" * MAX_VALUES}]})


@pytest.mark.parametrize("tokens", [[7] * 300_000, [[7] * 1000] * 300])
def test_tokens_do_not_count_where_tokens_belong(tokens: Any):
    assert not refused({"model": "m", "input": tokens}, tokens="input")
    assert refused({"model": "m", "input": tokens})
    assert refused({"model": "m", "other": tokens}, tokens="input")


@pytest.mark.parametrize("item", ["a", [""], {"a": 1}, ["a", [1, "b"]], 1.5])
def test_what_is_no_token_counts_among_tokens(item: Any):
    assert refused({"input": [item] * (MAX_VALUES + 1)}, tokens="input")


@given(DOCUMENTS, st.integers(0, 30))
def test_an_exempt_member_never_counts_more_than_it_has(document: Any, bound: int):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(extent, "MAX_VALUES", bound)
        whole = {"input": document, "rest": [1, "a", {"b": 2}]}
        if refused(whole, tokens="input"):
            assert refused(whole)
