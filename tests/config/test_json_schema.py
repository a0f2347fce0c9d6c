from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from gateway.config.json_schema import json_schema
from gateway.config.schema import FileSpec
from gateway.config.validation import NotYet, Strict
from gateway.policy.model import PolicySpec

# A plugin's options are known to the plugin alone.
PLUGIN = {"use": {"type": "string", "pattern": "^plugin:", "examples": ["plugin:tickets"]}}


def nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from nodes(child)


@pytest.mark.parametrize("model", [FileSpec, PolicySpec])
def test_the_schema_is_json_and_closed(model: Any):
    schema = json_schema(model)
    assert orjson.loads(orjson.dumps(schema)) == schema
    objects = [node for node in nodes(schema) if "properties" in node]
    assert len(objects) > 5
    assert all(node["additionalProperties"] is False for node in objects if node["properties"] != PLUGIN)
    assert all(node.get("description") for node in objects if node["properties"] != PLUGIN)


def test_keys_and_defaults_are_those_of_the_file():
    schema = json_schema(FileSpec)
    listen = schema["$defs"]["ListenSpec"]["properties"]
    assert listen["header_timeout"] == {"default": "10s", "examples": ["500ms", "10s", "30d"], "type": "string"}
    assert listen["address"]["default"] == "127.0.0.1:8080"
    assert schema["required"] == ["version"]
    assert schema["properties"]["version"]["const"] == 1


def test_shares_and_waits_have_defaults_in_the_words_of_the_file():
    hedge = json_schema(FileSpec)["$defs"]["HedgeSpec"]["properties"]
    assert hedge["after"] == {"type": "string", "default": "p95", "examples": ["p95", "800ms"]}
    assert hedge["max_extra_cost"] == {"type": "string", "default": "10%", "examples": ["50%"]}


def test_what_is_not_built_is_never_valid():
    class Later(Strict):
        later: NotYet = None

    assert json_schema(Later)["properties"]["later"] == {"description": "not yet available", "not": {}}


def test_a_mirror_has_defaults_in_the_words_of_the_file():
    mirror = json_schema(FileSpec)["$defs"]["MirrorSpec"]
    assert mirror["required"] == ["to"]
    told = {name: each.get("default") for name, each in mirror["properties"].items()}
    assert told == {
        "to": None, "sample": "1%", "timeout": "60s", "concurrency": 4, "queue": 16, "max_body_bytes": 262_144
    }  # fmt: skip


def test_one_name_or_many_may_be_matched():
    match = json_schema(PolicySpec)["$defs"]["MatchSpec"]["properties"]
    assert [option["type"] for option in match["team"]["anyOf"]] == ["string", "array", "object"]
    assert match["direction"]["anyOf"][0]["enum"] == ["request", "response"]


def test_a_detector_is_described_by_its_use():
    schema = json_schema(PolicySpec)
    (any_detector,) = schema["properties"]["detectors"]["patternProperties"].values()
    by_name, of_plugin = any_detector["anyOf"]
    assert of_plugin["properties"] == PLUGIN
    assert by_name["discriminator"]["propertyName"] == "use"
    assert len(by_name["oneOf"]) == len({option["$ref"] for option in by_name["oneOf"]}) > 10
    pattern = schema["$defs"]["PatternDetector"]
    assert pattern["properties"]["use"]["const"] == "pattern"
    assert pattern["required"] == ["use", "patterns"]
    assert schema["properties"]["detectors"]["additionalProperties"] is False
