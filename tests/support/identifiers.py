"""Identifiers of every kind that the detector ``pii`` knows, drawn at random, and what only looks like one.

What is valid is said by ``python-stdnum`` and ``phonenumbers`` where they know the kind, so that a check of ours cannot
agree with itself; where they do not, by numbers that issuers have published.
"""

from __future__ import annotations

import hashlib
import random
import string
import sysconfig
import uuid
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import phonenumbers
from stdnum import bitcoin, get_cc_module, iban, imei, luhn, verhoeff

Draw = Callable[[random.Random], str]


def birthday(source: random.Random, form: str) -> str:
    return (date(1930, 1, 1) + timedelta(days=source.randrange(29_000))).strftime(form)


def fill(source: random.Random, mask: str) -> str:
    """``9`` becomes a digit, ``A`` a letter, everything else stays."""
    drawn = {"9": string.digits, "A": string.ascii_uppercase}
    return "".join([source.choice(drawn[char]) if char in drawn else char for char in mask])


def until(valid: Callable[[str], bool], draw: Draw, source: random.Random) -> str:
    for _ in range(200_000):
        text = draw(source)
        if valid(text):
            return text
    raise AssertionError("nothing valid was drawn")


def library(country: str, module: str) -> Callable[[str], bool]:
    """What the library says of a country's number."""
    rules = get_cc_module(country, module)
    assert rules is not None
    return rules.is_valid


def known(country: str, module: str, draw: Draw) -> Draw:
    """Draw until the library for a country says yes."""
    return partial(until, library(country, module), draw)


def masked(mask: str, form: str = "") -> Draw:
    """Fill a mask; where it says ``@``, a birthday stands."""

    def draw(source: random.Random) -> str:
        return fill(source, mask).replace("@", birthday(source, form))

    return draw


def last_digits(valid: Callable[[str], bool], draw: Draw, count: int) -> Draw:
    """Draw a number and try its last digits one after the other."""

    def drawn(source: random.Random) -> str:
        for _ in range(20_000):
            stem = draw(source)
            for end in range(10**count):
                if valid(text := f"{stem}{end:0{count}}"):
                    return text
        raise AssertionError("nothing valid was drawn")

    return drawn


def card(source: random.Random) -> str:
    prefix, size = source.choice(
        [
            ("4", 16), ("51", 16), ("55", 16), ("2221", 16), ("2720", 16), ("34", 15), ("37", 15), ("6011", 16),
            ("65", 16), ("36", 14), ("3528", 16), ("3589", 16), ("62", 16), ("62", 19), ("4", 19), ("6759", 16),
        ]
    )  # fmt: skip
    stem = fill(source, prefix.replace("9", "\0") + "9" * (size - 1 - len(prefix))).replace("\0", "9")
    return stem + luhn.calc_check_digit(stem)


def card_spaced(source: random.Random, sign: str) -> str:
    number = card(source)
    sizes = {15: (4, 6, 5), 14: (4, 6, 4)}.get(len(number), (4, 4, 4, 4, 3))
    parts, at = [], 0
    for size in sizes:
        parts.append(number[at : at + size])
        at += size
    return sign.join(part for part in parts if part)


_ACCOUNTS = {
    "DE": "999999999999999999", "GB": "AAAA99999999999999", "FR": "99999999999999999999999", "NL": "AAAA9999999999",
    "CH": "99999AAAA99999999", "MT": "AAAA99999999999999999999999", "NO": "99999999999", "PL": "9" * 24, "SA": "9" * 20,
    "LC": "AAAA" + "9" * 24, "BR": "9" * 23 + "AA", "IE": "AAAA99999999999999", "AT": "9999999999999999",
}  # fmt: skip


def account(source: random.Random) -> str:
    country = source.choice(sorted(_ACCOUNTS))
    bban = fill(source, _ACCOUNTS[country])
    number = country + iban.calc_check_digits(f"{country}00{bban}") + bban
    assert iban.is_valid(number, check_country=False)
    return number


def bank(source: random.Random) -> str:
    country = source.choice(["DE", "GB", "FR", "US", "NL", "CH", "JP"])
    return fill(source, "AAAA") + country + fill(source, source.choice(["99", "A9", "AA", "9A", "99AAA", "A9999"]))


def mail(source: random.Random) -> str:
    name = source.choice(
        ["bob", "anna.maria", "j_doe", "x", "sales+eu", "o'neil", "a-b-c", "first.last99", "UPPER.Case"]
    )
    host = source.choice(
        ["example.com", "mail.example.co.uk", "x.io", "sub.deep.example.museum", "a-b.de", "EXAMPLE.ORG"]
    )
    return f"{name}@{host}"


def phone(source: random.Random) -> str:
    styles = (phonenumbers.PhoneNumberFormat.E164, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    while True:
        region = source.choice(sorted(phonenumbers.SUPPORTED_REGIONS))
        known_number = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
        if known_number is None or len(str(known_number.national_number)) < 7:
            continue
        drawn = phonenumbers.PhoneNumber(
            country_code=known_number.country_code,
            national_number=(known_number.national_number or 0) // 1000 * 1000 + source.randrange(1000),
            italian_leading_zero=known_number.italian_leading_zero,
        )
        if phonenumbers.is_valid_number(drawn):
            return phonenumbers.format_number(drawn, source.choice(styles))


def ip4(source: random.Random) -> str:
    first = source.choice([2, 8, 23, 52, 93, 141, 151, 185, 203, 217])
    return f"{first}.{source.randrange(256)}.{source.randrange(256)}.{source.randrange(1, 255)}"


def ip6(source: random.Random) -> str:
    groups = [f"{source.choice('23')}{source.randrange(4096):03x}", *[f"{source.randrange(65536):x}" for _ in range(7)]]
    return source.choice([":".join(groups), f"{groups[0]}:db8::{groups[5]}", f"{groups[0]}:{groups[1]}::{groups[7]}"])


def mac(source: random.Random) -> str:
    pairs = [f"{source.randrange(256):02x}" for _ in range(5)]
    text = source.choice(":-").join([*pairs, "a" + source.choice(string.hexdigits[:16])])
    return source.choice([text, text.upper()])


def telephone(source: random.Random) -> str:
    return last_digits(imei.is_valid, masked(source.choice(["35", "86", "01"]) + "999999999999"), 1)(source)


_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def coin(source: random.Random) -> str:
    data = bytes([source.choice([0, 5])]) + source.randbytes(20)
    data += hashlib.sha256(hashlib.sha256(data).digest()).digest()[:4]
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, rest = divmod(number, 58)
        text = _BASE58[rest] + text
    text = "1" * (len(data) - len(data.lstrip(b"\0"))) + text
    assert bitcoin.is_valid(text)
    return text


# Published by those who made the formats.
COINS = (
    "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4",
    "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359", "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
)  # fmt: skip


def security(source: random.Random) -> str:
    return known("us", "ssn", masked("999-99-9999"))(source)


def twice_checked(number: str) -> bool:
    return bool(luhn.is_valid(number[:12]) and verhoeff.is_valid(number[:11] + number[12]))


# Country, word that goes before it where one is needed, generator.
NATIONAL: dict[str, tuple[str, Draw]] = {
    "AT": ("SVNR", known("at", "vnr", masked("9999@", "%d%m%y"))),
    "BE": ("", last_digits(library("be", "nn"), masked("@999", "%y%m%d"), 2)),
    "BG": ("ЕГН", last_digits(library("bg", "egn"), masked("@999", "%y%m%d"), 1)),
    "BR": ("CPF", last_digits(library("br", "cpf"), masked("999999999"), 2)),
    "CA": ("SIN", last_digits(library("ca", "sin"), masked("19999999"), 1)),
    "CH": ("", last_digits(library("ch", "ssn"), masked("756999999999"), 1)),
    "CL": ("RUT", last_digits(library("cl", "rut"), masked("19999999"), 1)),
    "CN": ("", last_digits(library("cn", "ric"), masked("110101@999", "%Y%m%d"), 1)),
    "CZ": ("rodné číslo", known("cz", "rc", masked("@9999", "%y%m%d"))),
    "DE": ("Steuer-ID", known("de", "idnr", masked("19999999999"))),
    "DK": ("CPR", known("dk", "cpr", masked("@9999", "%d%m%y"))),
    "DO": ("cédula", last_digits(library("do", "cedula"), masked("0011999999"), 1)),
    "EC": ("cédula", last_digits(library("ec", "ci"), masked("171999999"), 1)),
    "EE": ("isikukood", last_digits(library("ee", "ik"), masked("3@999", "%y%m%d"), 1)),
    "ES": ("", known("es", "dni", masked("99999999A"))),
    "FI": ("", known("fi", "hetu", masked("@-999A", "%d%m%y"))),
    "FR": ("", last_digits(library("fr", "nir"), masked("1850775999999"), 2)),
    "GR": ("ΑΜΚΑ", last_digits(library("gr", "amka"), masked("@9999", "%d%m%y"), 1)),
    "HR": ("OIB", last_digits(library("hr", "oib"), masked("9999999999"), 1)),
    "ID": ("NIK", known("id", "nik", masked("317401@9999", "%d%m%y"))),
    "IE": ("PPSN", known("ie", "pps", masked("9999999A"))),
    "IL": ("teudat zehut", last_digits(library("il", "idnr"), masked("39999999"), 1)),
    "IN": ("Aadhaar", last_digits(library("in", "aadhaar"), masked("29999999999"), 1)),
    "IS": ("kennitala", known("is", "kennitala", masked("@9999", "%d%m%y"))),
    "IT": ("", known("it", "codicefiscale", masked("AAAAAA80A01A999A"))),
    "JP": ("マイナンバー", last_digits(library("jp", "in_"), masked("29999999999"), 1)),
    "KR": ("주민등록번호", known("kr", "rrn", masked("@1999999", "%y%m%d"))),
    "LT": ("asmens kodas", last_digits(library("lt", "asmens"), masked("3@999", "%y%m%d"), 1)),
    "LU": ("", last_digits(twice_checked, masked("@999", "%Y%m%d"), 2)),
    "LV": ("personas kods", known("lv", "pvn", masked("@99999", "%d%m%y"))),
    "MX": ("", last_digits(library("mx", "curp"), masked("BEXA@HDFRRN0", "%y%m%d"), 1)),
    "MY": ("NRIC", known("my", "nric", masked("@-14-9999", "%y%m%d"))),
    "NL": ("BSN", last_digits(library("nl", "bsn"), masked("19999999"), 1)),
    "NO": ("", known("no", "fodselsnummer", masked("@99999", "%d%m%y"))),
    "NZ": ("IRD", last_digits(library("nz", "ird"), masked("4999999"), 1)),
    "PK": ("CNIC", known("pk", "cnic", masked("34201-9999999-9"))),
    "PL": ("PESEL", last_digits(library("pl", "pesel"), masked("@9999", "%y%m%d"), 1)),
    "PT": ("NIF", last_digits(library("pt", "nif"), masked("29999999"), 1)),
    "RO": ("CNP", last_digits(library("ro", "cnp"), masked("1@12999", "%y%m%d"), 1)),
    "RU": ("ИНН", last_digits(library("ru", "inn"), masked("7799999999"), 2)),
    "SE": ("", last_digits(library("se", "personnummer"), masked("@-999", "%y%m%d"), 1)),
    "SI": ("EMŠO", known("si", "emso", lambda s: birthday(s, "%d%m") + "985" + fill(s, "509999"))),
    "TH": ("thai id", last_digits(library("th", "pin"), masked("199999999999"), 1)),
    "TR": ("TC Kimlik", last_digits(library("tr", "tckimlik"), masked("199999999"), 2)),
    "UA": ("РНОКПП", last_digits(library("ua", "rntrc"), masked("299999999"), 1)),
    "US": ("", known("us", "itin", lambda s: "9" + fill(s, "99-99-9999"))),
    "ZA": ("SA ID", last_digits(library("za", "idnr"), masked("@999908", "%y%m%d"), 1)),
}  # fmt: skip

# Numbers that a published rule or an issuer's own example gives, for countries that the library does not know.
PUBLISHED: tuple[tuple[str, str], ...] = (
    ("DE", "65 170839 J 003"), ("DE", "65170839J003"), ("GB", "AB 12 34 56 C"), ("AE", "784-1974-3527453-1"),
    ("SG", "S1234567D"), ("HK", "A123456(3"), ("RU", "112-233-445 95"), ("MX", "BOXW310820HNERXN09"),
    ("GH", "GHA-714328904-2"), ("BR", "390.533.447-05"), ("CL", "12.531.909-2"), ("AR", "20-05536168-2"),
    ("IN", "ABCPE1234F"), ("SE", "811228-9874"), ("FI", "131052-308T"), ("UY", "1.234.567-2"), ("US", "912-90-3457"),
)  # fmt: skip

PATIENTS: tuple[tuple[str, str], ...] = (
    ("NPI", "1234567893"), ("Medicare number (MBI)", "1EG4-TE5-MK73"), ("MBI", "1EG4TE5MK73"), ("NHS", "9434765919"),
    ("NHS number", "943 476 5919"), ("KVNR", "A123456780"), ("Medicare", "2123 45670 1"), ("NHI", "ZAC5361"),
    ("DEA", "AB1234563"),
)  # fmt: skip

# Label, word that goes before it where one is needed, generator.
KINDS: tuple[tuple[str, str, Draw], ...] = (
    ("CARD", "", card),
    ("CARD", "", lambda source: card_spaced(source, " ")),
    ("CARD", "", lambda source: card_spaced(source, "-")),
    ("IBAN", "", account),
    ("IBAN", "", lambda source: iban.format(account(source))),
    ("IBAN", "", lambda source: account(source).lower()),
    ("BIC", "BIC", bank),
    ("EMAIL", "", mail),
    ("PHONE", "", phone),
    ("IP", "ip", ip4),
    ("IP", "", ip6),
    ("MAC", "", mac),
    ("IMEI", "", telephone),
    ("CRYPTO", "", coin),
    ("CRYPTO", "", lambda source: source.choice(COINS)),
    ("US_SSN", "", security),
    ("US_SSN", "SSN", lambda source: security(source).replace("-", source.choice(["", " "]))),
    ("PASSPORT", "", lambda source: source.choice(MRZ)),
    ("PASSPORT", "Passport", lambda source: fill(source, source.choice(["A99999999", "AA9999999", "A9999999"]))),
)

MRZ = (
    "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10",
    "I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<\nD231458907UTO7408122F1204159<<<<<<<6",
    "I<UTOD231458907<<<<<<<<<<<<<<<\n7408122F1204159UTO<<<<<<<<<<<6\nERIKSSON<<ANNA<MARIA<<<<<<<<<<",
)


def innocent(source: random.Random, count: int) -> Iterator[str]:
    """What programs write all day: UUIDs, times, hashes, versions."""
    for _ in range(count):
        data = source.randbytes(32)
        digest = data.hex()
        number = source.randrange(1_300_000_000_000, 1_900_000_000_000)
        parts = [str(source.randrange(limit)) for limit in (30, 30, 120, 3000)]
        yield source.choice(
            [
                str(uuid.UUID(bytes=data[:16], version=4)),
                str(uuid.UUID(bytes=data[:16], version=4)).upper(),
                str(number),
                str(number // 1000),
                f"{number / 1000}",
                f"{date(2000, 1, 1) + timedelta(days=number % 12_000)} 12:30:45,{number % 1000:03}",
                digest,
                digest[:40],
                digest[:32],
                digest[:7],
                f"sha256:{digest}",
                ".".join(parts[:3]),
                "v" + ".".join(parts[:3]),
                ".".join(parts[:3]) + f"-rc.{parts[3]}",
                ".".join(parts),
                f"=={'.'.join(parts[:3])}.post{parts[0]}",
                f"{parts[0]}.{parts[1]}.{parts[2]}+{digest[:9]}",
                f"{source.random()}",
            ]
        )


def source_lines() -> list[str]:
    """Lines of the standard library, tests left out."""
    root = Path(sysconfig.get_path("stdlib"))
    lines: list[str] = []
    for path in sorted(root.rglob("*.py")):
        inside = path.relative_to(root).parts
        if not {"site-packages", "test", "tests", "idle_test"} & set(inside):
            lines += path.read_text(encoding="utf-8", errors="replace").splitlines()
    return lines
