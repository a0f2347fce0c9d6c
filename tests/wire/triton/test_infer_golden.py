"""Golden files of ``/infer`` for models of others: what each provider is asked, and what comes back in tensors.

With ``WEIGHBRIDGE_GOLDEN=write`` in the environment the files are written anew; what changed shows in the diff.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.core.codec import WireRequest
from gateway.core.errors import GatewayError, UnsupportedField
from gateway.core.losses import Losses
from gateway.wire.bridge import CODECS, Bridge, Crossing
from gateway.wire.passthrough import KSERVE, open_answer
from gateway.wire.triton.infer_codec import CODEC
from tests.support.golden import SPARE, cases, check, expected
from tests.support.streams import GOLDEN

FOLDERS = ("requests", "answers", "errors")
OURS = CODEC.name


def found(folder: str) -> list[Any]:
    return [pytest.param(case, id=case.stem) for case in cases(OURS, folder)]


@pytest.mark.parametrize("target", CODECS)
@pytest.mark.parametrize("case", found("requests"))
def test_a_request(case: Path, target: str) -> None:
    held = orjson.loads(case.read_bytes())
    told: Any
    try:
        chat = CODEC.read_request(held["document"], held["path"])
        losses = Losses(chat.names, target, "drop")
        wire = CODECS[target].write_request(chat, "served-model", losses)
    except GatewayError as error:
        told = {"error": _told(error)}
    else:
        told = {"model": chat.model, "path": wire.path, "document": wire.document, "dropped": list(losses.fields)}
        try:
            CODECS[target].write_request(chat, "served-model", Losses(chat.names, target))
        except UnsupportedField as refused:
            told["refused"] = _told(refused)
        # What is refused is what would be dropped.
        assert told.get("refused", {"param": None})["param"] in (told["dropped"] or [None])
    check(case, target, told)


@pytest.mark.parametrize("case", found("answers"))
def test_an_answer(case: Path) -> None:
    held = orjson.loads(case.read_bytes())
    chat = CODEC.read_request(held["asked"], "/v2/models/house/infer")
    crossing = Crossing(Bridge(CODEC, CODECS[held["dialect"]]), chat, WireRequest(path="/", document={}), (), SPARE)
    told: Any
    try:
        body = crossing.answer(orjson.dumps(held["answer"]))
    except GatewayError as error:
        told = {"error": _told(error)}
    else:
        framed = open_answer(dict(crossing.headers), body)
        document = orjson.loads(body) if framed is None else framed[0]
        for tensor in document["outputs"]:
            if isinstance(raw := tensor.get("raw"), bytes):
                tensor["raw"] = raw.hex()
        told = {"type": crossing.headers[b"content-type"].decode(), "document": document}
    check(case, OURS, told)


@pytest.mark.parametrize("case", found("errors"))
def test_an_error(case: Path) -> None:
    held = orjson.loads(case.read_bytes())
    headers = {name.encode(): value.encode() for name, value in held["headers"].items()}
    document = held["body"] if isinstance(held["body"], dict) else None
    error = CODECS[held["dialect"]].read_error(held["status"], headers, document)
    told = {"status": error.status, "body": orjson.loads(KSERVE.error_body(error, SPARE.id))}
    check(case, OURS, told if error.retry_after_s is None else {**told, "retry_after_s": error.retry_after_s})


def test_there_are_cases_enough_and_none_lies_there_for_nothing() -> None:
    assert sum(len(cases(OURS, folder)) for folder in FOLDERS) >= 25
    for folder in FOLDERS:
        targets = CODECS if folder == "requests" else (OURS,)
        known = {path for case in cases(OURS, folder) for path in (case, *(expected(case, name) for name in targets))}
        assert set((GOLDEN / OURS / folder).iterdir()) == known


def _told(error: GatewayError) -> dict[str, Any]:
    return {"class": type(error).__name__, "message": error.public_message, "param": error.param}
