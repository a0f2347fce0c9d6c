from gateway.core.cache_told import CacheCounts, cache_added_up


def test_what_workers_say_is_added_up():
    one, other = CacheCounts(entries=1, bytes=10, saved_nanousd=5), CacheCounts(entries=2, errors=1)
    for result in ("miss", "miss", "stored"):
        one.count(result)
    other.count("miss")
    total = cache_added_up([one, None, other])
    assert total == CacheCounts(results={"miss": 3, "stored": 1}, entries=3, bytes=10, saved_nanousd=5, errors=1)
    assert one.results["miss"] == 2


def test_without_a_cache_nothing_is_said():
    assert cache_added_up([None, None]) is None
