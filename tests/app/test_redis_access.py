"""What a driver is given of a Redis that a configuration names."""

from __future__ import annotations

from gateway.app.redis_access import access_to
from gateway.clients.redis_line import RedisAccess
from gateway.config.addresses import Address
from gateway.config.redis import RedisStore
from gateway.config.references import Secret


def test_an_open_database_on_a_usual_port():
    store = RedisStore(address=Address("r", 6379))
    assert access_to(store) == RedisAccess(host="r", port=6379)


def test_a_guarded_one_over_tls_and_its_password_is_shown_to_nobody():
    store = RedisStore(
        address=Address("::1", 6380), database=12, user="us", password=Secret("pw-1234", "env:P"), tls=True
    )
    access = access_to(store)
    assert access == RedisAccess(host="::1", port=6380, database=12, user="us", password="pw-1234", tls=True)
    assert "pw-1234" not in f"{store!r} {access!r}"
