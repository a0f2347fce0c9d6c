from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.clients.clickhouse_rules import checked_token, escaped, insert_failure, query_failure
from gateway.core.errors import StoreRejected, StoreUnavailable

PARSE = (
    "Streaming insert finish failed: Code: 27. DB::Exception: Cannot parse input: expected '\"' before: 'my secret "
    "(CANNOT_SLEEP) x': (while reading the value of key status): (at row 3)\n: While executing "
    "JSONEachRowRowInputFormat. (CANNOT_PARSE_INPUT_ASSERTION_FAILED) (version 26.9.2.1)"
)


def test_a_refused_row_is_told_by_name_field_and_row_without_its_text() -> None:
    failure = insert_failure(PARSE)
    assert isinstance(failure, StoreRejected)
    assert failure.engine_code == 27
    assert failure.public_message == (
        "The trace store refused the data: CANNOT_PARSE_INPUT_ASSERTION_FAILED, field status, row 3."
    )


@pytest.mark.parametrize(
    "name",
    [
        "MEMORY_LIMIT_EXCEEDED",
        "TOO_MANY_PARTS",
        "NOT_ENOUGH_SPACE",
        "UNKNOWN_TABLE",
        "READONLY",
        "KEEPER_EXCEPTION",
        "NEVER_HEARD_OF",
        "TIMEOUT_EXCEEDED",
        "LOGICAL_ERROR",
    ],
)
def test_an_insert_gives_nothing_up_for_anything_but_bad_data(name: str) -> None:
    assert isinstance(insert_failure(f"Code: 1. DB::Exception: x. ({name})"), StoreUnavailable)


@pytest.mark.parametrize("name", ["CANNOT_PARSE_UUID", "INCORRECT_DATA", "TYPE_MISMATCH", "DECIMAL_OVERFLOW"])
def test_bad_data_is_given_up(name: str) -> None:
    assert isinstance(
        insert_failure(f"Code: 1. DB::Exception: x. ({name}) (version 25.3.1.1 (official build))"), StoreRejected
    )


def test_a_reason_that_cannot_be_shown_because_the_data_is_no_text_is_bad_data() -> None:
    text = "Streaming insert finish failed: 'utf-8' codec can't decode byte 0xff in position 69: invalid start byte"
    assert isinstance(insert_failure(text), StoreRejected)


def test_an_insert_that_failed_without_a_reason_may_be_tried_again() -> None:
    assert isinstance(insert_failure("connection lost"), StoreUnavailable)
    assert isinstance(query_failure("connection lost"), StoreUnavailable)


@pytest.mark.parametrize("name", ["AUTHENTICATION_FAILED", "NETWORK_ERROR", "TIMEOUT_EXCEEDED", "SERVER_OVERLOADED"])
def test_a_query_of_ours_may_find_the_store_away(name: str) -> None:
    failure = query_failure(f"Code: 1. DB::Exception: secret. ({name})")
    assert isinstance(failure, StoreUnavailable)
    assert "secret" not in failure.public_message


@pytest.mark.parametrize("name", ["TIMEOUT_EXCEEDED", "MEMORY_LIMIT_EXCEEDED", "ACCESS_DENIED"])
def test_limits_are_a_guests_own_fault(name: str) -> None:
    assert isinstance(query_failure(f"Code: 1. DB::Exception: x. ({name})", guest=True), StoreRejected)


def test_the_engines_words_are_shown_without_its_version() -> None:
    failure = query_failure(
        "Code: 47. DB::Exception: Unknown `x`. (UNKNOWN_IDENTIFIER) (version 25.3.1.1 (official build))"
    )
    assert failure.public_message == "Code: 47. DB::Exception: Unknown `x`. (UNKNOWN_IDENTIFIER)"


@given(st.from_regex(r"[A-Za-z0-9:._-]{1,200}", fullmatch=True))
def test_tokens_of_plain_characters_pass(token: str) -> None:
    assert checked_token(token) == token


@given(st.text().filter(lambda text: not all(c.isascii() and (c.isalnum() or c in ":._-") for c in text) or not text))
def test_other_tokens_do_not(token: str) -> None:
    with pytest.raises(ValueError, match="token"):
        checked_token(token)


@given(st.text())
def test_an_escaped_value_has_no_bare_separator_and_comes_back(text: str) -> None:
    written = escaped(text)
    assert not {"\n", "\t", "\0"} & set(written)
    plain, at = "", 0
    while at < len(written):
        taken = 2 if written[at] == "\\" else 1
        plain += {"\\\\": "\\", "\\n": "\n", "\\t": "\t", "\\0": "\0"}.get(written[at : at + 2], written[at])
        at += taken
    assert plain == text
