from __future__ import annotations

from gateway.core.keys import digest_secret


def test_a_digest_depends_on_the_secret_and_on_the_process():
    digests = {
        digest_secret(b"wb-one", b"k" * 32),
        digest_secret(b"wb-two", b"k" * 32),
        digest_secret(b"wb-one", b"q" * 32),
    }
    assert len(digests) == 3
    assert all(len(digest) == 32 for digest in digests)


def test_a_digest_is_the_same_each_time_in_one_process():
    assert digest_secret(b"wb-one", b"k" * 32) == digest_secret(b"wb-one", b"k" * 32)
