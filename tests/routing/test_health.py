"""What calls teach about a deployment."""

from __future__ import annotations

import msgspec

from gateway.core.exchange import BreakerRule, Deployment
from gateway.core.server_load import LoadReading, LoadSource
from gateway.routing.health import MAX_HEALTHS, MAX_REST_S, Health, Healths

RULE = BreakerRule()


def deployment(model: str = "m") -> Deployment:
    return Deployment(provider="p", kind="openai", model=model, base_url="http://p", credential=b"")


def test_a_provider_that_asks_for_rest_gets_it_within_reason_and_no_blame():
    health = Health(RULE)
    for _ in range(50):
        health.begin(0.0)
        health.fail(0.0, "429", 5.0, 0.1)
    assert (health.ready(4.9), health.ready(5.0), health.breaker.state(5.0)) == (False, True, "closed")
    assert (health.in_flight, health.calls, health.failures) == (0, 50, 50)
    health.begin(5.0)
    health.fail(5.0, "429", 86_400.0, 0.1)
    assert health.rests_s(5.0) == MAX_REST_S


def test_failures_open_the_breaker_and_timeouts_count_as_slow():
    health = Health(RULE)
    for _ in range(3):
        health.begin(0.0)
        health.fail(0.0, "timeout", None, 30.0)
    assert not health.ready(0.0)
    assert health.ttft.read(0.0) == health.whole.read(0.0) == 30.0


def test_a_call_that_says_nothing_only_goes_away():
    health = Health(RULE)
    health.begin(0.0)
    health.leave()
    assert (health.in_flight, health.failures, health.ready(0.0)) == (0, 0, True)


def test_a_deployment_keeps_its_state_until_its_rule_changes():
    healths = Healths(lambda: 0.0)
    first = healths.of(deployment(), RULE)
    assert healths.of(deployment(), RULE) is first
    other = msgspec.structs.replace(deployment(), credential=b"x: y\r\n")
    assert healths.of(other, RULE) is first
    assert healths.of(deployment(), BreakerRule(consecutive=9)) is not first


def test_clients_cannot_make_it_remember_without_end():
    healths = Healths(lambda: 0.0)
    busy = healths.of(deployment("busy"), RULE)
    busy.begin(0.0)
    for number in range(MAX_HEALTHS + 10):
        healths.of(deployment(f"m{number}"), RULE)
    assert len(healths.names()) <= MAX_HEALTHS
    assert healths.names()["p", "busy"] is busy


def test_what_is_known_is_told_of_those_that_were_asked():
    now_s = 5.0
    healths = Healths(lambda: now_s)
    healths.of(deployment("idle"), RULE)
    bad = healths.of(deployment("bad"), RULE)
    for _ in range(4):
        bad.begin(now_s)
    for _ in range(3):
        bad.fail(now_s, "timeout", None, 30.0)
    (told,) = healths.told()
    assert (told.provider, told.model, told.workers) == ("p", "bad", 1)
    assert (told.in_flight, told.calls, told.failures, told.breaker, told.rests_s) == (1, 4, 3, "open", RULE.open_s)
    assert (told.ttft_s, told.tpot_s, told.whole_s) == (30.0, None, 30.0)


def test_what_a_server_says_is_known_of_all_its_deployments_and_shown_while_it_is_news():
    now_s = [0.0]
    healths = Healths(lambda: now_s[0])
    first = healths.of(deployment(), RULE)
    healths.watch({"p": LoadSource(kind="vllm", url="http://p/metrics")})
    second = healths.of(deployment("n"), RULE)
    assert first.server is not None
    assert first.server is second.server
    first.begin(0.0)
    second.begin(0.0)
    healths.said("p", LoadReading(queue=1.0, running=4.0, kv_use=0.5))
    healths.said("nobody", LoadReading(queue=9.0))
    assert first.server.others == 3.0
    assert [(each.model, each.load, each.queue, each.running, each.kv_use) for each in healths.told()] == [
        ("m", 0.75, 1.0, 4.0, 0.5),
        ("n", 0.75, 1.0, 4.0, 0.5),
    ]
    now_s[0] = 1000.0
    assert [(each.load, each.queue) for each in healths.told()] == [(None, None)] * 2


def test_what_is_known_of_a_server_outlives_a_reload_that_asks_it_as_before():
    healths = Healths(lambda: 0.0)
    source = LoadSource(kind="vllm", url="http://p/metrics")
    healths.watch({"p": source})
    health = healths.of(deployment(), RULE)
    server = health.server
    healths.watch({"p": source, "q": source})
    assert health.server is server
    healths.watch({"p": LoadSource(kind="vllm", url="http://p/metrics", every_s=5.0)})
    assert health.server is not server
    healths.watch({})
    assert health.server is None


def test_a_queue_is_told_of_as_soon_as_anything_has_happened_there():
    healths = Healths(lambda: 0.0)
    healths.queue("m")
    assert healths.queues() == []
    for name in ("waiting", "served", "turned_away", "late", "left"):
        setattr(healths.queue(name), name, 1)
    assert [each.alias for each in healths.queues()] == ["waiting", "served", "turned_away", "late", "left"]


STRICT = BreakerRule(consecutive=1, open_s=5.0)


def test_aliases_with_different_rules_share_what_calls_tell_and_judge_it_each_for_itself():
    healths = Healths(lambda: 0.0)
    usual, strict = healths.of(deployment(), RULE), healths.of(deployment(), STRICT)
    assert (healths.of(deployment(), RULE), healths.of(deployment(), STRICT)) == (usual, strict)
    usual.begin(1.0)
    strict.begin(2.0)
    assert [(each.in_flight, each.calls, each.asked_s) for each in (usual, strict)] == [(2, 2, 2.0)] * 2
    usual.fail(3.0, "timeout", 1.0, 30.0)
    assert [(each.in_flight, each.failures, each.rests_until_s) for each in (usual, strict)] == [(1, 1, 4.0)] * 2
    assert strict.ttft.read(3.0) == usual.ttft.read(3.0) == 30.0
    assert (usual.breaker.state(3.0), strict.breaker.state(3.0)) == ("closed", "open")
    strict.leave()
    # The call that shows whether it is over may be one of either alias.
    usual.begin(8.0)
    assert (usual.ready(8.0), strict.ready(8.0)) == (True, False)
    usual.succeed(9.0)
    assert (strict.breaker.state(9.0), usual.in_flight, strict.in_flight) == ("closed", 0, 0)


def test_who_watches_sees_one_deployment_and_the_worst_that_rules_make_of_it():
    healths = Healths(lambda: 1.0)
    strict, usual = healths.of(deployment(), STRICT), healths.of(deployment(), RULE)
    strict.begin(1.0)
    strict.fail(1.0, "5xx", None, 0.1)
    strict.ejected_until_s = 3.0
    (told,) = healths.told()
    assert (told.calls, told.failures, told.breaker, told.rests_s, told.ejected_s) == (1, 1, "open", 5.0, 2.0)
    assert list(healths.known().values()) == [usual]


def test_a_rule_that_nobody_goes_by_any_more_is_forgotten_and_calls_under_way_stay_counted():
    healths = Healths(lambda: 0.0)
    old = healths.of(deployment(), STRICT)
    old.begin(0.0)
    new = healths.of(deployment(), RULE)
    assert (new.in_flight, set(new.twins())) == (1, {old, new})
    # The call that it had before the reload ends.
    old.fail(0.0, "5xx", None, 0.1)
    del old
    assert (new.in_flight, new.twins(), new.breaker.state(0.0)) == (0, (new,), "closed")
    assert healths.told()[0].breaker == "closed"


def test_a_server_s_load_is_heard_by_all_and_counts_their_calls_once():
    healths = Healths(lambda: 0.0)
    one, other = healths.of(deployment(), RULE), healths.of(deployment(), STRICT)
    healths.watch({"p": LoadSource(kind="vllm", url="http://p/metrics")})
    one.begin(0.0)
    healths.said("p", LoadReading(running=3.0))
    assert one.server is other.server
    assert one.server is not None
    assert one.server.others == 2.0
