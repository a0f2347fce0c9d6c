from __future__ import annotations

from gateway.core.errors import NotAvailable, Overloaded, ProviderAnswered
from gateway.wire import bedrock_converse, openai_chat
from gateway.wire.error_head import error_headers, error_lines


def test_amazons_clients_are_told_the_type_and_nobody_else() -> None:
    error = ProviderAnswered("Slow.", status=429)
    assert error_headers(bedrock_converse.DIALECT, error) == {b"x-amzn-errortype": b"ThrottlingException"}
    assert error_lines(bedrock_converse.DIALECT, error) == b"x-amzn-errortype: ThrottlingException\r\n"
    assert error_lines(openai_chat.DIALECT, error) == b""


def test_when_to_ask_again_is_in_whole_seconds() -> None:
    for wait_s, said in ((0.0, b"1"), (0.2, b"1"), (7.0, b"7"), (7.1, b"8")):
        error = Overloaded("Busy.", retry_after_s=wait_s)
        assert error_lines(openai_chat.DIALECT, error) == b"retry-after: %b\r\n" % said


def test_what_is_not_there_is_not_asked_for_again() -> None:
    error = NotAvailable("Not yet available.")
    assert error_lines(openai_chat.DIALECT, error) == b"x-should-retry: false\r\n"
    assert error_headers(bedrock_converse.DIALECT, error).keys() == {b"x-amzn-errortype", b"x-should-retry"}
