import pytest

from gateway.core.cached import CachedAnswer, Selector

ANSWER = CachedAnswer(
    key=b"k" * 32,
    partition="p",
    tenant="acme",
    alias="fast",
    model="m-1",
    policy_revision="r",
    tags={"app": "shop"},
    dialect="openai_chat",
    stream=False,
    body='{"text":"Größe 42"}'.encode(),
    stored_s=1000,
    expires_s=2000,
    cost_nanousd=None,
    duration_ms=5,
    exchange_id="x",
)


@pytest.mark.parametrize(
    ("what", "other"),
    [
        (Selector(key=b"k" * 32), Selector(key=b"l" * 32)),
        (Selector(tenant="acme"), Selector(tenant="")),
        (Selector(alias="fast"), Selector(alias="slow")),
        (Selector(model="m-1"), Selector(model="m")),
        (Selector(exchange_id="x"), Selector(exchange_id="y")),
        (Selector(tag=("app", "shop")), Selector(tag=("app", "web"))),
        (Selector(older_than_s=100), Selector(older_than_s=101)),
        (Selector(text="größe"), Selector(text="size")),
        (Selector(everything=True), Selector(everything=True, alias="slow")),
        (Selector(tenant="acme", alias="fast"), Selector(tenant="acme", alias="slow")),
    ],
)
def test_an_entry_is_meant_by_all_that_a_selector_names(what: Selector, other: Selector):
    assert what.means(ANSWER, 1100, lambda _: "in pieces")
    assert not other.means(ANSWER, 1100, lambda _: "in pieces")


def test_a_selector_that_names_nothing_means_nothing():
    assert not Selector().means(ANSWER, 9999, lambda _: "in pieces")


def test_a_text_may_stand_in_what_an_answer_says_and_not_in_its_body() -> None:
    what = Selector(text="In PIECES")
    assert what.means(ANSWER, 1100, lambda _: "told in pieces")
    assert not what.means(ANSWER, 1100, lambda _: "told whole")
    assert not Selector(text="in pieces", alias="another").means(ANSWER, 1100, lambda _: "in pieces")
