from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import bitcoin

from gateway.guards.pii.coins import base58, bech32, ethereum, hexadecimal, keccak_256
from tests.guards.pii.catalogue import masked
from tests.support.identifiers import COINS


@pytest.mark.parametrize("address", COINS)
def test_published_addresses_and_one_wrong_character(address: str) -> None:
    valid = ethereum if address.startswith("0x") else bech32 if address[:3].lower() == "bc1" else base58
    assert valid(address)
    for place in range(5, len(address), 7):
        changed = address[:place] + ("q" if address[place].lower() != "q" else "p") + address[place + 1 :]
        assert not (valid(changed) and changed != address) or changed.lower() == address.lower()


@given(st.text(alphabet="123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", min_size=26, max_size=34))
def test_random_text_is_no_coin(text: str) -> None:
    assert base58(text) == bitcoin.is_valid(text)
    assert masked(text) == text


def test_keccak_is_not_sha3() -> None:
    assert keccak_256(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    assert keccak_256(b"abc").hex() == "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"
    assert keccak_256(b"abc") != hashlib.sha3_256(b"abc").digest()


def test_ethereum_in_one_case_needs_a_word() -> None:
    address = "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"
    assert not ethereum(address)
    assert masked(address) == address
    assert masked(f"wallet {address}") == "wallet [CRYPTO]"
    assert not hexadecimal("0x" + "0" * 40)
    assert masked("wallet 0x" + "0" * 40) == "wallet 0x" + "0" * 40


def test_mixed_case_bech32_is_none() -> None:
    assert not bech32("bc1Qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4")
    assert not bech32("bc1bw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4")
