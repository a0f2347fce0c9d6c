from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.recorded import COPIES, Line, Tally, Used

EDGES = (0, 100, 200, 1000)
TRIED = [msgspec.Raw(b"{}")]

lines = st.builds(
    Line,
    started_us=st.integers(-5, 1005),
    key_id=st.sampled_from(["", "a", "b"]),
    tags=st.sampled_from([{}, {"x": "1"}, {"weighbridge": "mirror"}]),
    model_requested=st.sampled_from(["m", "n"]),
    attempts=st.sampled_from([[], TRIED]),
    input_tokens=st.none() | st.integers(0, 9),
    output_tokens=st.none() | st.integers(0, 9),
    cost_nanousd=st.none() | st.integers(0, 9),
)


def tally(some: list[Line]) -> Tally:
    made = Tally(EDGES, tags=True)
    for line in some:
        made.add_line(line)
    return made


def sums(used: list[Used]) -> dict[tuple[str, ...], tuple[int, int, int]]:
    found: dict[tuple[str, ...], tuple[int, int, int]] = {}
    for each in used:
        group = (each.key_id, each.team, repr(sorted(each.labels.items())), each.model, str(each.edge_us))
        before = found.get(group, (0, 0, 0))
        found[group] = before[0] + each.requests, before[1] + each.tokens, before[2] + each.nanousd
    return {group: amounts for group, amounts in found.items() if any(amounts)}


@given(st.lists(lines, max_size=20), st.data())
def test_however_calls_are_split_between_spool_and_store_each_counts_once(all_of_them: list[Line], data: st.DataObject):
    """The store has all of them by the time it answers; the spool had any part, shipped or not."""
    spooled = [line for line in all_of_them if data.draw(st.booleans())]
    spool, store = tally(spooled), tally(all_of_them)
    counted = [*spool.all(), *store.beyond(spool)]
    assert sums(counted) == sums(list(store.all()))
    asked = [line for line in all_of_them if line.attempts and 0 <= line.started_us < EDGES[-1]]
    assert sum(each.requests for each in counted) == len(asked)
    assert sum(each.nanousd for each in counted) == sum(line.cost_nanousd or 0 for line in asked)


@given(st.lists(lines, max_size=10), st.lists(lines, max_size=10))
def test_what_the_store_never_takes_stays_counted_and_takes_nothing_from_others(poison: list[Line], sound: list[Line]):
    spool, store = tally([*poison, *sound]), tally(sound)
    assert list(store.beyond(spool)) == []


def test_copies_of_calls_are_nobodys() -> None:
    (used,) = tally([Line(started_us=150, tags={"weighbridge": "mirror"}, attempts=TRIED)]).all()
    assert (used.key_id, used.team, used.edge_us) == (COPIES, COPIES, 100)
    (used,) = tally([Line(started_us=150, key_id="a", tags={"weighbridge": "mirror"}, attempts=TRIED)]).all()
    assert used.key_id == "a"


def test_more_groups_than_there_may_be_are_left_out(monkeypatch) -> None:
    monkeypatch.setattr("gateway.core.recorded.MOST_GROUPS", 2)
    made = tally([Line(started_us=1, key_id=key, attempts=TRIED) for key in "aabbcca"])
    assert (len(made), made.cut) == (2, True)
    assert sorted((each.key_id, each.requests) for each in made.all()) == [("a", 3), ("b", 2)]
