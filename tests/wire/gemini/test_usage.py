from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.usage import Apart, Usage
from gateway.wire.gemini.usage import as_metadata, gemini_usage, told_usage
from tests.support.gemini_streams import USAGE

COUNTS = st.integers(0, 5_000)


def test_thoughts_are_beside_the_candidates_and_cached_tokens_inside_the_prompt() -> None:
    usage = gemini_usage(USAGE)
    assert usage == Usage(input_fresh_tokens=400, cache_read_tokens=600, output_text_tokens=180, reasoning_tokens=120)
    assert usage is not None
    assert usage.input_tokens + usage.output_tokens == USAGE["totalTokenCount"]


def test_media_have_buckets_of_their_own() -> None:
    raw = {
        "promptTokenCount": 1000,
        "cachedContentTokenCount": 300,
        "promptTokensDetails": [
            {"modality": "TEXT", "tokenCount": 400},
            {"modality": "AUDIO", "tokenCount": 350},
            {"modality": "IMAGE", "tokenCount": 250},
        ],
        "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 100}, {"modality": "TEXT", "tokenCount": 200}],
        "candidatesTokenCount": 90,
        "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 70}],
        "toolUsePromptTokenCount": 40,
    }
    assert gemini_usage(raw) == Usage(
        input_fresh_tokens=200 + 40,
        cache_read_tokens=300,
        audio_input_tokens=250,
        image_input_tokens=250,
        output_text_tokens=20,
        audio_output_tokens=70,
    )


@pytest.mark.parametrize("raw", [None, [], {}, {"thoughtsTokenCount": 3}, {"promptTokenCount": "3"}, {"x": 1}])
def test_what_has_no_total_is_no_usage(raw: Any) -> None:
    assert gemini_usage(raw) is None


@given(
    st.fixed_dictionaries(
        {"promptTokenCount": COUNTS, "candidatesTokenCount": COUNTS},
        optional={
            "cachedContentTokenCount": COUNTS,
            "thoughtsTokenCount": COUNTS,
            "promptTokensDetails": st.lists(
                st.fixed_dictionaries({"modality": st.sampled_from(["AUDIO", "IMAGE", "TEXT"]), "tokenCount": COUNTS})
            ),
            "candidatesTokensDetails": st.just([{"modality": "AUDIO", "tokenCount": 9}]) | st.just("odd"),
        },
    )
)
def test_buckets_add_up_to_what_was_reported_whatever_the_details_say(raw: dict[str, Any]) -> None:
    usage = gemini_usage(raw)
    assert usage is not None
    assert usage.input_tokens == raw["promptTokenCount"]
    assert usage.output_tokens == raw["candidatesTokenCount"] + raw.get("thoughtsTokenCount", 0)


@given(st.tuples(*[COUNTS] * 7))
def test_buckets_survive_the_way_there_and_back(counts: tuple[int, ...]) -> None:
    fresh, cached, text, thoughts, audio, spoken, image = counts
    usage = Usage(fresh, cached, 0, text, thoughts, audio, spoken, image)
    assert gemini_usage(as_metadata(usage)) == usage


def grounded(model: str, *queries: str, chunks: Any = (), **other: Any) -> dict[str, Any]:
    metadata = {"webSearchQueries": list(queries), "groundingChunks": list(chunks)}
    return {"modelVersion": model, "candidates": [{"index": 0, "groundingMetadata": metadata}], **other}


COUNTED: dict[str, Any] = {"usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 2}}


@pytest.mark.parametrize(
    ("document", "calls"),
    [
        (grounded("gemini-3-pro-preview", "a", "b", "a", **COUNTED), (("web_search", 2),)),
        (grounded("models/gemini-3.6-flash", "a", **COUNTED), (("web_search", 1),)),
        (grounded("gemini-2.5-flash", "a", "b", **COUNTED), (("web_search", 1),)),
        (grounded("", "a", "b", **COUNTED), (("web_search", 1),)),
        (grounded("gemini-2.5-flash", chunks=({"maps": {"uri": "u"}},), **COUNTED), (("google_maps", 1),)),
        (grounded("gemini-3-pro", "", chunks=({"web": {}},), **COUNTED), ()),
        ({"candidates": "odd", **COUNTED}, ()),
        ({"candidates": [{"groundingMetadata": {"webSearchQueries": [3]}}], **COUNTED}, ()),
    ],
)
def test_searches_that_an_answer_was_grounded_on_are_counted(document: dict[str, Any], calls: Any) -> None:
    usage = told_usage(document)
    assert usage is not None
    assert (() if usage.apart is None else usage.apart.tool_calls) == calls
    assert usage.input_tokens == 9


def test_of_a_stream_the_last_word_on_each_counts() -> None:
    flash = "gemini-3-flash"
    usage = told_usage({**COUNTED, "candidates": [{}]})
    usage = told_usage(grounded(flash, "a"), usage)
    usage = told_usage(grounded(flash, "a", "b"), usage)
    usage = told_usage(
        {"usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 7, "serviceTier": "flex"}}, usage
    )
    assert usage == Usage(
        input_fresh_tokens=9, output_text_tokens=7, apart=Apart(tool_calls=(("web_search", 2),), service_tier="flex")
    )
    assert told_usage(grounded(flash, "a")) is None
