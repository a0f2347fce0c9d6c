"""What is made of a sample: counts and one vector, no text."""

from __future__ import annotations

import io
from collections.abc import Sequence

import msgspec
import orjson
import pytest

from gateway.core.drift_hours import LEAST_EMBEDDED
from gateway.core.errors import ModelFailed
from gateway.operator.drift_bodies import ASK, ASK_WITHOUT, Body, Read
from gateway.operator.drift_reader import embedding, read, serve
from tests.support.models import built_home

GERMAN = "Wie kann ich das nicht nur heute und auch noch morgen machen, wenn die Zeit knapp ist?"
ENGLISH = "What is the best way to do this, and how long will it take if the others are not there?"


def body(question: str, answer: str = "", *, told: bool = False) -> Body:
    asked = orjson.dumps({"messages": [{"role": "user", "content": question}]}).decode()
    said = orjson.dumps({"choices": [{"message": {"role": "assistant", "content": answer}}]}).decode()
    return Body("openai_chat", asked, said, told)


def upwards(texts: Sequence[str]) -> list[list[float]]:
    return [[1.0, float(len(text))] for text in texts]


def test_languages_and_refusals_are_counted() -> None:
    bodies = [
        body(GERMAN, "I'm sorry, but I can't help with that."),
        body(ENGLISH, ENGLISH),
        # Its provider says so, whatever is written.
        body("42", "", told=True),
        body("", "42"),
        Body("no such dialect", "{}", "{}"),
    ]
    found = read(bodies, None)
    assert (found.questions, found.answers, found.worded_refusals) == (3, 4, 2)
    assert found.question_languages == {"de": 1, "en": 1, "": 1}
    assert found.answer_languages == {"en": 2, "": 2}
    assert (found.embedded, found.embedding, found.unembedded) == (0, [], "")


def test_embeddings_are_added_up_and_of_few_none_is_kept() -> None:
    bodies = [body("abc")] * LEAST_EMBEDDED
    assert read(bodies, upwards).embedding == [float(LEAST_EMBEDDED), 3.0 * LEAST_EMBEDDED]
    assert read(bodies[1:], upwards).embedding == []


def test_a_model_that_fails_costs_the_embeddings_alone() -> None:
    def fails(texts: Sequence[str]) -> list[list[float]]:
        raise ModelFailed("There is no model.")

    found = read([body(ENGLISH)] * LEAST_EMBEDDED, fails)
    assert (found.questions, found.embedded, found.unembedded) == (LEAST_EMBEDDED, 0, "There is no model.")


def test_each_question_on_the_pipe_has_its_answer() -> None:
    many = b"".join(msgspec.json.encode(body(ENGLISH)) + b"\n" for _ in range(LEAST_EMBEDDED))
    answers = io.BytesIO()
    serve(io.BytesIO(many + ASK + ASK + many + ASK_WITHOUT), answers, upwards)
    with_vectors, none, without = (msgspec.json.decode(line, type=Read) for line in answers.getvalue().splitlines())
    assert with_vectors.embedded == LEAST_EMBEDDED
    assert (none.questions, none.embedded) == (0, 0)
    assert (without.questions, without.embedded) == (LEAST_EMBEDDED, 0)


def test_the_models_of_a_home_embed() -> None:
    with embedding(built_home()) as embed:
        vectors = embed(["a river", "a stream", "an invoice"])
    assert [len(vector) for vector in vectors] == [384] * 3

    def cosine(one: int, other: int) -> float:
        return sum(a * b for a, b in zip(vectors[one], vectors[other], strict=True))

    assert cosine(0, 0) == pytest.approx(1.0, abs=1e-3)
    assert cosine(0, 1) > cosine(0, 2)
