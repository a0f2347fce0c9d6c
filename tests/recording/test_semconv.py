"""Names against the lists of the conventions, as the official package has them."""

import importlib
from pathlib import Path
from typing import get_args, get_type_hints

import opentelemetry.semconv
from opentelemetry.semconv._incubating.attributes.gen_ai_attributes import (
    GenAiOperationNameValues,
    GenAiProviderNameValues,
)
from opentelemetry.semconv._incubating.metrics import gen_ai_metrics

from gateway.config.settings import ProviderEntry
from gateway.recording import semconv
from gateway.wire import select

OURS = "weighbridge."
METRICS = ("TOKENS_USED", "OPERATION_DURATION", "CLIENT_FIRST", "REQUEST_DURATION", "SERVER_FIRST")
# Of errors, where conventions have one word for all others.
NO_NAMES = ("SCHEMA_URL", "OTHER")


def names():
    home = Path(opentelemetry.semconv.__file__).parent
    for folder in ("attributes", "_incubating.attributes"):
        for file in (home / folder.replace(".", "/")).glob("*_attributes.py"):
            members = vars(importlib.import_module(f"opentelemetry.semconv.{folder}.{file.stem}")).items()
            yield from (value for key, value in members if key.isupper() and isinstance(value, str))


def told():
    return {key: value for key, value in vars(semconv).items() if key.isupper() and isinstance(value, str)}


def test_every_attribute_is_in_the_list_or_ours():
    known = set(names())
    assert len(known) > 500
    attributes_told = {value for key, value in told().items() if key not in {*METRICS, *NO_NAMES}}
    assert {each for each in attributes_told if not each.startswith(OURS)} <= known
    # Nothing of ours is in the way of theirs.
    assert not {each for each in known if each.startswith(OURS)}


def test_every_metric_is_in_the_list():
    known = {value for key, value in vars(gen_ai_metrics).items() if key.isupper()}
    assert {told()[name] for name in METRICS} <= known


def test_values_are_those_of_the_list():
    assert set(semconv.OPERATIONS.values()) <= {each.value for each in GenAiOperationNameValues}
    assert set(semconv.PROVIDERS.values()) <= {each.value for each in GenAiProviderNameValues}
    assert semconv.PROVIDERS.keys() <= set(get_args(get_type_hints(ProviderEntry)["kind"]))


def test_every_dialect_that_generates_has_its_operation():
    by_path = {dialect.name for dialect in select._BY_PATH.values()}
    silent = {"anthropic_count_tokens"}
    assert by_path - silent <= semconv.OPERATIONS.keys()
