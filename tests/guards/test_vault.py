"""Placeholders: typed, stable within a session, another's in every other, and bounded."""

from __future__ import annotations

import threading

from gateway.guards.vault import (
    MAX_SESSIONS,
    MAX_VALUES,
    PLACEHOLDER,
    PLACEHOLDER_CHARS,
    TTL_S,
    Masks,
    Vault,
    Vaults,
    defused,
)


def test_a_value_keeps_its_placeholder_and_its_number_counts_within_its_type() -> None:
    vault = Vault(b"k" * 32)
    first = vault.placeholder("EMAIL", "a@b.example")
    assert vault.placeholder("EMAIL", "a@b.example") == first
    assert first == f"[EMAIL_1:{vault.tag}]"
    assert vault.placeholder("EMAIL", "c@d.example") == f"[EMAIL_2:{vault.tag}]"
    assert vault.placeholder("PHONE", "a@b.example") == f"[PHONE_1:{vault.tag}]"


def test_every_label_gives_a_placeholder_of_the_one_grammar() -> None:
    vault = Vault(b"k" * 32)
    for label in ("EMAIL", "us_ssn", "9 lives", "é", "", "A" * 100, "P1", "a-b.c"):
        placeholder = vault.placeholder(label, "x")
        assert PLACEHOLDER.fullmatch(placeholder)
        assert len(placeholder) <= PLACEHOLDER_CHARS
        assert PLACEHOLDER.search(defused(placeholder)) is None


def test_a_vault_keeps_no_value_and_not_more_than_it_may() -> None:
    vault = Vault(b"k" * 32)
    for number in range(MAX_VALUES + 10):
        vault.placeholder("N", f"value-{number}")
    assert len(vault._known) == MAX_VALUES
    assert "value-" not in repr(vault._known)
    assert vault.placeholder("N", "value-0") == f"[N_{MAX_VALUES + 11}:{vault.tag}]"


def test_numbers_are_given_once_by_several_threads() -> None:
    vault = Vault(b"k" * 32)
    made: list[str] = []

    def work(name: int) -> None:
        made.extend(vault.placeholder("N", f"{name}-{number}") for number in range(200))

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 800


def test_masks_hold_what_one_call_hides() -> None:
    masks = Masks(Vault(b"k" * 32))
    placeholder = masks.put("EMAIL", "a@b.example", ("assistant_text",))
    assert masks.put("EMAIL", "a@b.example", ()) == placeholder
    assert masks.values[placeholder].value == "a@b.example"
    assert masks.values[placeholder].restore_in == ("assistant_text",)
    assert Masks().put("EMAIL", "a@b.example", ()) != Masks().put("EMAIL", "a@b.example", ())


def test_a_session_has_one_vault_and_callers_share_none() -> None:
    vaults = Vaults(lambda: 0.0)
    one = vaults.open("acme", "key-1", "s")
    assert vaults.open("acme", "key-1", "s") is one
    others = [vaults.open("acme", "key-2", "s"), vaults.open("other", "key-1", "s"), vaults.open("acme", "key-1", "t")]
    value = "a@b.example"
    assert len({vault.placeholder("EMAIL", value) for vault in [one, *others]}) == 4
    assert vaults.open("acme", "key-1", "") is not vaults.open("acme", "key-1", "")


def test_vaults_are_forgotten_when_unused_or_too_many() -> None:
    now = [0.0]
    vaults = Vaults(lambda: now[0])
    old = vaults.open("t", "k", "old")
    now[0] = TTL_S - 1
    assert vaults.open("t", "k", "old") is old
    now[0] += TTL_S
    again = vaults.open("t", "k", "old")
    assert again is not old
    assert again.tag != old.tag or again._key != old._key
    for number in range(MAX_SESSIONS + 5):
        vaults.open("t", "k", f"s{number}")
    assert len(vaults._open) <= MAX_SESSIONS
