"""What each dialect becomes in each other one, written down: one input, one file for each target.

``tests/golden/<dialect>/``: ``requests/<case>.json`` is a client's request (or its path and document, where the path
says something), ``answers/<case>.json`` and ``streams/<case>.sse`` are what a provider says, ``errors/<case>.json`` its
error answer. Beside each stands ``<case>.<target>.json`` or ``.sse``: the request as it goes to a provider that speaks
``target``, or the answer as a client that speaks it gets it.

With ``WEIGHBRIDGE_GOLDEN=write`` in the environment the files are written anew; what changed shows in the diff.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.core.errors import GatewayError
from gateway.core.losses import Losses
from gateway.wire.bridge import CODECS
from tests.support.golden import (
    SUFFIX,
    cases,
    check,
    expected,
    spoken,
    told_answer,
    told_error,
    told_request,
    told_stream,
)
from tests.support.streams import GOLDEN, single_bytes

AT_LEAST = 25
SOURCES = [dialect for dialect in CODECS if cases(dialect, "requests")]


def pairs(folder: str) -> list[Any]:
    return [
        pytest.param(source, case, target, id=f"{source}-{case.stem}-{target}")
        for source in SOURCES
        for case in cases(source, folder)
        for target in CODECS
    ]


@pytest.mark.parametrize(("source", "case", "target"), pairs("requests"))
def test_a_request(source: str, case: Path, target: str) -> None:
    told = told_request(source, case, target)
    check(case, target, told)
    # What is refused is what would be dropped, and nothing is lost without its name.
    assert "refused" not in told or told["refused"]["param"] in told["dropped"]


@pytest.mark.parametrize(("source", "case", "target"), pairs("answers"))
def test_an_answer(source: str, case: Path, target: str) -> None:
    check(case, target, told_answer(source, case, target))


@pytest.mark.parametrize(("source", "case", "target"), pairs("streams"))
def test_a_stream(source: str, case: Path, target: str) -> None:
    told = told_stream(source, case, target)
    check(case, target, told)
    assert _texts(told_stream(source, case, target, single_bytes(spoken(source, case))), target) == _texts(told, target)


@pytest.mark.parametrize(("source", "case", "target"), pairs("errors"))
def test_an_error(source: str, case: Path, target: str) -> None:
    check(case, target, told_error(source, case, target))


def _texts(told: bytes, target: str) -> Any:
    """What a client's own codec hears in a stream; a cut inside an event must not change it."""
    reader = CODECS[target].reader()
    try:
        return [*reader.feed(told), *reader.finish()]
    except GatewayError as error:
        return type(error), str(error)


@pytest.mark.parametrize("source", SOURCES)
def test_there_are_cases_enough(source: str) -> None:
    found = {folder: len(cases(source, folder)) for folder in SUFFIX}
    assert sum(found.values()) >= AT_LEAST
    assert min(found.values()) >= 3, "of every kind"


@pytest.mark.parametrize("source", SOURCES)
def test_no_file_lies_there_for_nothing(source: str) -> None:
    known = {
        path
        for folder in SUFFIX
        for case in cases(source, folder)
        for path in (case, *(expected(case, target) for target in CODECS))
    }
    there = {path for folder in SUFFIX for path in (GOLDEN / source / folder).iterdir()}
    assert there - known == set()


# What is written for Triton is one text, and no longer a conversation.
@pytest.mark.parametrize("dialect", [dialect for dialect in SOURCES if dialect != "triton"])
@pytest.mark.parametrize("folder", ["requests"])
def test_a_round_trip_loses_nothing(dialect: str, folder: str) -> None:
    codec = CODECS[dialect]
    for case in cases(dialect, folder):
        told = told_request(dialect, case, dialect)
        if "error" in told:
            continue
        back = codec.read_request(told["document"], told["path"])
        losses = Losses(back.names, dialect, "drop")
        again = codec.write_request(back, "served-model", losses)
        assert again.document == told["document"], case.stem
