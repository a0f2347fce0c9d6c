from __future__ import annotations

from gateway.recording.connections import MAX_HOST_CHARS, connection_record


class Clock:
    def monotonic_ns(self) -> int:
        return 5_000_000_000

    def unix_us(self) -> int:
        return 1_700_000_000_000_000


def test_a_connection_is_told_of_by_where_it_went_and_how_much_it_was() -> None:
    made: list[int] = []

    def new_id(ms: int) -> str:
        made.append(ms)
        return "id"

    record = connection_record("a.example:443", 3_000_000_000, (7, 9), (200, ""), Clock(), new_id)
    assert (record.dialect, record.route, record.status) == ("tunnel", "CONNECT a.example:443", 200)
    assert (record.bytes_in, record.bytes_out, record.duration_ms) == (7, 9, 2000.0)
    assert (record.started_us, made) == (1_699_999_998_000_000, [1_699_999_998_000])
    assert record.model_requested == record.provider == ""
    # It cost nothing that anybody would have to know.
    assert (record.usage_source, record.cost_nanousd) == ("missing", None)
    refused = connection_record("h" * 999, 0, (0, 0), (403, "permission_denied"), Clock(), new_id)
    assert (refused.status, refused.error_code) == (403, "permission_denied")
    assert len(refused.route) == len("CONNECT ") + MAX_HOST_CHARS
