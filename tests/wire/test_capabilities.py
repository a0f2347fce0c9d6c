from __future__ import annotations

import msgspec
import pytest

from gateway.core.errors import UnsupportedField
from gateway.core.exchange import Deployment
from gateway.core.losses import Losses
from gateway.wire.bridge import CODECS, KINDS, Bridge, Spare
from gateway.wire.capabilities import FEATURES, carried, document, matrix, table
from gateway.wire.request_target import with_model
from gateway.wire.triton.infer_codec import CODEC as INFER

SPARE = Spare("id", 0)


def test_the_matrix_names_every_dialect_kind_and_feature() -> None:
    told = msgspec.json.decode(document())
    assert told == matrix()
    assert told["dialects"].keys() == told["routes"].keys() == CODECS.keys()
    assert all(features.keys() == FEATURES.keys() for features in told["dialects"].values())
    assert told["kinds"].keys() <= KINDS.keys()
    assert {value for features in told["dialects"].values() for value in features.values()} <= {"yes", "left out", "no"}
    assert told["routes"]["openai_chat"]["openai"] == "native"


def test_every_dialect_can_say_the_least() -> None:
    least = ("text", "streams", "system prompt", "temperature")
    for dialect in CODECS:
        assert {carried(dialect, feature) for feature in least} == {"yes"}, dialect


@pytest.mark.parametrize("dialect", CODECS)
def test_the_matrix_says_what_happens_to_a_call(dialect: str) -> None:
    """What is promised is what a client meets that says the same and drops nothing."""
    for kind, route in matrix()["routes"][dialect].items():
        if route == "native":
            assert dialect in KINDS[kind].native
            continue
        told = {feature: word for word, features in route.items() for feature in features}
        assert told.keys() == {feature for feature in FEATURES if carried(dialect, feature) != "no"}
        for feature, word in told.items():
            assert _met(dialect, kind, feature) == ("refused" if word == "refused" else "sent"), (kind, feature)


def _met(dialect: str, kind: str, feature: str) -> str:
    source = CODECS[dialect]
    chat = msgspec.structs.replace(FEATURES[feature], dialect=dialect)
    wire = source.write_request(chat, "a-model", Losses({}, dialect, "drop"))
    to = Deployment(provider="p", kind=kind, model="a-model", base_url="http://p.example", credential=b"")
    try:
        Bridge(source, CODECS[KINDS[kind].target]).cross(wire.document, with_model(wire.path, "a-model"), to, SPARE)
    except UnsupportedField:
        return "refused"
    return "sent"


def test_the_table_has_a_line_for_each_feature() -> None:
    lines = table().splitlines()
    assert len(lines) == len(FEATURES) + 2
    assert all(line.count("|") == len(CODECS) + 2 for line in lines)


@pytest.mark.parametrize("feature", FEATURES)
def test_tensors_carry_what_the_fields_of_the_same_names_do(feature: str) -> None:
    """What is said of another dialect holds for what is carried as it."""
    assert matrix()["carried_as"] == {"kserve": "triton"}
    chat = msgspec.structs.replace(FEATURES[feature], dialect="triton", stream=False)
    document = CODECS["triton"].write_request(chat, "a-model", Losses({}, "triton", "drop")).document
    kinds = {bool: "BOOL", int: "INT32", float: "FP32", str: "BYTES"}
    inputs = [
        {"name": name, "datatype": kinds[type(values[0])], "shape": [len(values)], "data": values}
        for name, value in document.items()
        if (values := value if isinstance(value, list) else [value])
    ]
    read = CODECS["triton"].read_request(document, "/v2/models/a-model/generate")
    tensors = INFER.read_request({"inputs": inputs}, "/v2/models/a-model/infer")
    assert msgspec.structs.replace(tensors, dialect="triton", told_as=None) == read
