"""All checks of personal data by the names that the catalogue's patterns use."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from gateway.guards.pii.coins import base58, bech32, ethereum, hexadecimal
from gateway.guards.pii.europe import EUROPE
from gateway.guards.pii.framing import Form
from gateway.guards.pii.money import MONEY, bic
from gateway.guards.pii.network import NETWORK, booked_imei, dotted_mac, imei
from gateway.guards.pii.papers import PAPERS, machine_readable
from gateway.guards.pii.phone import PHONES, national_phone
from gateway.guards.pii.world import WORLD
from gateway.guards.validators import Check

_FORMS: dict[str, Callable[[str], bool]] = {
    **{f"id_{name}": test for name, test in (EUROPE | WORLD).items()},
    **PAPERS,
    "bic": bic,
    "mac_dotted": dotted_mac,
    "imei": imei,
    "imei_booked": booked_imei,
}
# Coins tell capital letters from small ones, and so do the ends of encoded lines.
_EXACT = {
    "base58": base58,
    "bech32": bech32,
    "ethereum": ethereum,
    "hexadecimal": hexadecimal,
    "mrz": machine_readable,
}

PII_CHECKS: dict[str, Check] = {
    **MONEY,
    **NETWORK,
    **PHONES,
    **{name: Form(test=test) for name, test in _FORMS.items()},
    **{name: Form(test=test, capital=False) for name, test in _EXACT.items()},
}


def pii_check(name: str) -> Check | None:
    """Return the check of a name; ``None`` when there is none.

    Where many kinds share a rough expression, a name goes on with the sizes and with the form that tell its kind apart:
    ``id_gb=9=[A-Z]…``. Numbers of telephones have a check for every choice of regions: ``phone:DE,FR`` and
    ``phone_formed:DE,FR``.

    Raises:
        Misconfigured: Telephone numbers are wanted, and their library is not there.
    """
    name, _, rest = name.partition("=")
    kind, _, regions = name.partition(":")
    if regions and kind in {"phone", "phone_formed"}:
        return national_phone(regions, formed=kind == "phone_formed")
    check = PII_CHECKS.get(name)
    if not rest or check is None:
        return check
    sizes, _, form = rest.partition("=")
    if sizes:
        check = msgspec.structs.replace(check, sizes=tuple(map(int, sizes.split(","))))
    return msgspec.structs.replace(check, form=re.compile(form)) if form else check
