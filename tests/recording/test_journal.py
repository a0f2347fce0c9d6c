"""Records: ids and times from one clock, and what is noted of an answer is bounded."""

from __future__ import annotations

from gateway.core.call import Call
from gateway.core.exchange import AnswerFacts
from gateway.core.record import ExchangeRecord
from gateway.recording.capture import Capture
from gateway.recording.journal import MAX_MODEL_CHARS, Journal
from gateway.recording.metrics import Cell
from gateway.wire import openai_chat
from tests.support.clock import ManualClock
from tests.support.incoming import incoming
from tests.support.sinks import ListReply


class Sink:
    def __init__(self) -> None:
        self.records: list[ExchangeRecord] = []

    def append(self, record: ExchangeRecord) -> None:
        self.records.append(record)

    observe = append

    def append_line(self, line: bytes) -> None:
        raise AssertionError

    def cell(self, dialect: str, provider: str, model: str, status: int, code: str) -> Cell:
        raise AssertionError


def test_a_record_starts_when_its_first_byte_came_and_its_id_says_so():
    clock = ManualClock()
    journal = Journal(Sink(), Sink(), clock, lambda ms: f"id at {ms}", Capture(), "hash")
    request = incoming()
    request.received_ns = clock.monotonic_ns()
    call = Call(request, ListReply(), None, openai_chat.DIALECT)
    record = journal.record(call)
    assert journal.record(call) is record
    assert record.started_us == clock.unix_us()
    assert (record.id, record.config_hash) == (f"id at {clock.unix_ms()}", "hash")


def test_names_from_providers_are_bounded():
    record = ExchangeRecord()
    journal = Journal(Sink(), Sink(), ManualClock(), str, Capture(), "")
    journal.answered(record, AnswerFacts(model_served="m" * 9999, finish_reason="f" * 9999))
    assert (len(record.model_served), len(record.finish_reason)) == (MAX_MODEL_CHARS, MAX_MODEL_CHARS)
