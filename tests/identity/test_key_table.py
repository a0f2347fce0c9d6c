"""The table of keys against a plain reading of what it should hold."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.keys import DeclaredKey, KeyBatch, KeySecret, StoredKey
from gateway.identity.key_table import KeyTable
from tests.support.virtual_keys import PEPPER, changed, minted

IDS = ("a", "b", "c")
MOMENTS = st.one_of(st.none(), st.integers(1, 20))


def digest(name: str) -> bytes:
    return name.encode().ljust(32, b"-")


@st.composite
def stored(draw: st.DrawFn) -> StoredKey:
    key_id = draw(st.sampled_from(IDS))
    secrets = tuple(
        KeySecret(digest=digest(key_id + name), created_s=0, expires_s=draw(MOMENTS))
        for name in draw(st.sets(st.sampled_from("xyz")))
    )
    return StoredKey(
        id=key_id,
        created_s=0,
        team=draw(st.sampled_from(["red", "blue"])),
        disabled=draw(st.booleans()),
        revoked_s=draw(st.sampled_from([None, None, 3])),
        expires_s=draw(MOMENTS),
        secrets=secrets,
    )


@st.composite
def declared(draw: st.DrawFn) -> DeclaredKey:
    name = draw(st.sampled_from("pq"))
    return DeclaredKey(id=f"file-{name}", digest=digest(f"file-{name}"), expires_s=draw(MOMENTS))


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("take"), st.lists(stored(), max_size=3), st.booleans()),
        st.tuples(st.just("declare"), st.lists(declared(), max_size=2, unique_by=lambda key: key.id), st.just(False)),
        st.tuples(st.just("wait"), st.integers(0, 4), st.just(False)),
    ),
    max_size=12,
)


@given(STEPS)
@settings(max_examples=150)
def test_whatever_happens_the_table_holds_what_is_good_now_and_nothing_else(steps):
    table, keys, in_file, now_s = KeyTable(PEPPER), dict[str, StoredKey](), list[DeclaredKey](), 0
    for what, given_, whole in steps:
        if what == "take":
            batch = {key.id: key for key in given_}
            keys = batch if whole else {**keys, **batch}
            table.take(KeyBatch(cursor="", keys=tuple(batch.values()), whole=whole), now_s)
        elif what == "declare":
            in_file = given_
            table.declare(given_, now_s)
        else:
            now_s += given_
            table.end(now_s)
        good = {secret.digest: key for key in keys.values() for secret in key.live(now_s)}
        good |= {key.digest: key for key in in_file if key.expires_s is None or key.expires_s > now_s}
        held = {found: entry[1].grant for found, entry in table.holders.items()}
        assert held.keys() == good.keys()
        assert all((held[each].id, held[each].team) == (good[each].id, good[each].team) for each in held)
        ends = [end for key in keys.values() if key.status(now_s) == "active" if (end := key.next_end_s(now_s))]
        assert all((table.next_end_s() or 0) <= end for end in ends)


def test_a_key_whose_rights_stay_keeps_its_principal_and_one_whose_rights_change_does_not():
    table = KeyTable(PEPPER)
    key, _ = minted(team="red")
    (held,) = key.secrets
    table.take(KeyBatch(cursor="1", keys=(key,), whole=True), 0)
    principal = table.holders[held.digest][1].principal(b"x-api-key")
    more = KeySecret(digest=digest("new"), created_s=1)
    rotated = changed(key, secrets=(held, more))
    table.take(KeyBatch(cursor="2", keys=(rotated,), whole=False), 0)
    assert table.holders[more.digest][1].principal(b"x-api-key") is principal
    assert table.holders[held.digest][1].principal(b"x-api-key") is principal
    table.take(KeyBatch(cursor="3", keys=(changed(rotated, team="blue"),), whole=False), 0)
    other = table.holders[held.digest][1].principal(b"x-api-key")
    assert other is not principal
    assert other.team == "blue"


def test_what_a_key_says_is_in_its_principal():
    key, _ = minted(
        name="n",
        team="t",
        tenant="o",
        tags={"a": "b"},
        models=("m*",),
        operations=("chat",),
        settable=("env",),
        strict=True,
        expires_s=99,
    )
    table = KeyTable(PEPPER)
    table.take(KeyBatch(cursor="1", keys=(key,), whole=True), 0)
    told = msgspec.structs.asdict(table.holders[key.secrets[0].digest][1].principal((b"x-api-key", b"api-key")))
    for name in ("team", "tenant", "tags", "models", "operations", "settable", "strict", "budget"):
        assert told[name] == getattr(key, name)
    assert told["key_id"] == key.id
    assert told["consumed"] == {b"x-api-key", b"api-key"}
