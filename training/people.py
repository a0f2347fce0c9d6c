"""Texts of our own in which people and addresses are named, and such as only look like it; names are those of Faker.

A text is made from a pattern of ``phrases/names.txt``. Names come in the ways that people write them: in full, with
initials, a second name, a hyphen, a particle; a text in four is written without capitals, some in capitals only.
"""

from __future__ import annotations

import ast
import random
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence

import msgspec

from training.phrases import Grammar, grammar

# Where the names of one part of the world come from: enough to hold whole languages out.
LOCALES = (
    *("en_US", "en_GB", "en_IN", "en_IE", "en_NZ", "en_NG", "en_PK", "de_DE", "de_AT", "fr_FR", "fr_CA", "es_ES"),
    *("es_MX", "es_CO", "it_IT", "pt_BR", "pt_PT", "nl_NL", "pl_PL", "sv_SE", "da_DK", "no_NO", "fi_FI", "tr_TR"),
    *("cs_CZ", "hu_HU", "ro_RO", "hr_HR", "id_ID", "vi_VN", "ha_NG", "ig_NG", "yo_NG", "zu_ZA", "tw_GH", "ga_IE"),
    *("sl_SI", "sk_SK", "lt_LT", "et_EE", "is_IS", "uz_UZ", "az_AZ", "zh_CN", "ja_JP", "en_KE", "en_TH"),
)
HELD_LOCALES = frozenset({"en_IE", "de_AT", "es_CO", "fr_CA", "it_IT", "sv_SE", "hu_HU", "hr_HR", "yo_NG", "id_ID"})
KINDS = ("chat", "mail", "ticket", "news", "form", "short", "address", "harmless")
# English names are written most; every other text has them.
_ENGLISH = ("en_US", "en_GB", "en_IN", "en_NZ", "en_NG", "en_PK")
# So many texts are in small letters only, and so many in capitals.
SMALL, CAPITALS = 0.25, 0.03
_SLOT = re.compile(r"\{(\w+)\}")
_NAMES = frozenset({"LAST", *(who + part for who in "pqr" for part in ("", "1", "l"))})
# Some tables hold a name in several scripts; only the Latin one is taken.
_FIRST = ("first_names", "first_romanized", "first_name_female_pairs", "first_name_male_pairs")
_LAST = ("last_names", "last_romanized", "last_name_pairs")

Span = tuple[int, int]


class Made(msgspec.Struct, frozen=True):
    """A text, with where it names people and addresses; an address's parts are ``S`` (street and number) or ``T``."""

    text: str
    people: list[Span]
    places: list[tuple[int, int, str]]
    kind: str


def recased(made: Made, rng: random.Random) -> Made:
    """Write some texts without capitals, or in capitals only."""
    way = rng.random()
    text = made.text.lower() if way < SMALL else made.text.upper() if way < SMALL + CAPITALS else made.text
    # A few letters change their number with their case.
    return made if len(text) != len(made.text) else msgspec.structs.replace(made, text=text)


class Names(msgspec.Struct, frozen=True):
    """First and last names of one locale."""

    first: tuple[str, ...]
    last: tuple[str, ...]


class Address(msgspec.Struct, frozen=True):
    """How one country writes addresses.

    Attributes:
        patterns: With the slots ``n`` (number), ``s`` (street), ``z`` (postal code), ``t`` (town), ``r`` (state).
        streets: Patterns with the slots ``l`` (a last name) and ``w`` (a word).
        code: A postal code: ``#`` is a digit, ``?`` a letter.
        locale: Whose names and towns.
    """

    patterns: tuple[str, ...]
    streets: tuple[str, ...]
    code: str
    locale: str


_WORDS = (
    *("Oak", "Maple", "Church", "Station", "Mill", "High", "Park", "Lake", "Hill", "Main", "2nd", "14th", "Sunset"),
    *("Victoria", "King", "Queen", "Elm", "Cedar", "River", "Garden", "Market", "Bridge", "School", "Spring"),
)
_US = ("CA", "NY", "TX", "WA", "IL", "FL", "MA", "OH", "GA", "CO", "NC", "MI")
_ENGLISH_STREETS = (
    *("{w} Street", "{w} St", "{w} St.", "{w} Avenue", "{w} Ave", "{l} Road", "{w} Rd", "{l} Lane", "{w} Drive"),
    *("{l} Drive", "{w} Court", "{l} Boulevard", "{w} Blvd", "{w} Way", "{w} Close", "{l} Square", "{w} Terrace"),
)
ADDRESSES = (
    Address(
        ("{n} {s}, {t}, {r} {z}", "{n} {s}\n{t}, {r} {z}", "{n} {s}", "{n} {s}, Apt {n}, {t} {r} {z}", "{n} {s}, {t}"),
        _ENGLISH_STREETS,
        "#####",
        "en_US",
    ),
    Address(
        ("{n} {s}, {t} {z}", "{n} {s}\n{t}\n{z}", "Flat {n}, {n} {s}, {t}, {z}", "{n} {s}, {t}", "{n} {s}"),
        _ENGLISH_STREETS,
        "??# #??",
        "en_GB",
    ),
    Address(
        ("{s} {n}, {z} {t}", "{s} {n}\n{z} {t}", "{s} {n}", "{s} {n} in {z} {t}", "{s} {n}a, {t}"),
        (
            "{l}straße",
            "{l}str.",
            "{l}weg",
            "{l}platz",
            "{l}-Straße",
            "{l}allee",
            "{l}gasse",
            "Am {l}berg",
            "{l}strasse",
        ),
        "#####",
        "de_DE",
    ),
    Address(
        ("{n} {s}, {z} {t}", "{n}, {s}\n{z} {t}", "{n} {s}", "{n} bis {s}, {z} {t}", "{n}, {s}, {t}"),
        (
            "rue {l}",
            "rue de {l}",
            "avenue {l}",
            "boulevard {l}",
            "place {l}",
            "chemin de {l}",
            "Rue du {l}",
            "quai {l}",
        ),
        "#####",
        "fr_FR",
    ),
    Address(
        ("{s} {n}, {z} {t}", "{s}, {n}\n{z} {t}", "{s} {n}", "{s}, {n}, 3º B, {z} {t}", "{s} {n}, {t}"),
        (
            "Calle {l}",
            "C/ {l}",
            "Calle de {l}",
            "Avenida {l}",
            "Avda. de {l}",
            "Plaza {l}",
            "Paseo de {l}",
            "calle {l}",
        ),
        "#####",
        "es_ES",
    ),
    Address(
        ("{s} {n}, {z} {t}", "{s} {n}\n{z} {t}", "{s}, {n}"),
        ("Via {l}", "Piazza {l}", "Corso {l}", "Viale {l}", "via {l}"),
        "#####",
        "it_IT",
    ),
    Address(("{s} {n}, {z} {t}", "{s} {n}"), ("{l}straat", "{l}laan", "{l}weg", "{l}plein"), "#### ??", "nl_NL"),
)


def _strings(archive: zipfile.ZipFile, room: str, locale: str, starts: Sequence[str]) -> tuple[str, ...]:
    """Return the texts that a module of Faker gives to names that begin so, in their order, once each."""
    path = f"faker/providers/{room}/{locale}/__init__.py"
    if path not in archive.namelist():
        return ()
    found: dict[str, None] = {}
    for node in ast.walk(ast.parse(archive.read(path))):
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if any(isinstance(target, ast.Name) and target.id.startswith(tuple(starts)) for target in targets):
            for part in ast.walk(node.value):
                if isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value[:1].isupper():
                    found[part.value] = None
    return tuple(name for name in found if "{" not in name and max(name, default="") < "Ḁ")


class World(msgspec.Struct, frozen=True):
    """The names there are, by locale."""

    people: Mapping[str, Names]
    towns: Mapping[str, tuple[str, ...]]
    companies: tuple[str, ...]

    @classmethod
    def read(cls, archive: zipfile.ZipFile) -> World:
        """Read Faker's tables; nothing of it is run."""
        people = {
            locale: Names(_strings(archive, "person", locale, _FIRST), _strings(archive, "person", locale, _LAST))
            for locale in LOCALES
        }
        towns = {
            locale: _strings(archive, "address", locale, ("cities", "city_names", "states", "state_names"))
            for locale in ("en_US", "en_GB", "de_DE", "fr_FR", "es_ES", "it_IT", "nl_NL", "pl_PL", "de_AT")
        }
        endings = (
            "Inc",
            "Ltd",
            "LLC",
            "GmbH",
            "AG",
            "S.A.",
            "and Sons",
            "Group",
            "& Co",
            "Holdings",
            "Systems",
            "Bank",
        )
        companies = tuple(
            f"{name} {endings[number % len(endings)]}"
            for number, name in enumerate(people["en_US"].last[:300] + people["de_DE"].last[:100])
        )
        return cls({name: each for name, each in people.items() if each.first and each.last}, towns, companies)


class _Person(msgspec.Struct, frozen=True):
    first: str
    last: str

    def in_full(self, rng: random.Random, other: str) -> str:
        """Return the name as it is written where it comes first."""
        return _choose(
            rng,
            (
                (70, f"{self.first} {self.last}"),
                (5, f"{self.first} {other[:1]}. {self.last}"),
                (4, f"{self.first[:1]}. {self.last}"),
                (3, f"{self.first[:1]}. {other[:1]}. {self.last}"),
                (4, f"{self.first} {other} {self.last}"),
                (3, f"{self.first}-{other} {self.last}"),
                (3, f"{self.last} {self.first}"),
                (7, self.first),
                (4, self.last),
            ),
        )


def _choose(rng: random.Random, choices: Sequence[tuple[int, str]]) -> str:
    return rng.choices([text for _, text in choices], [weight for weight, _ in choices])[0]


class Maker:
    """Makes texts from patterns.

    Args:
        world: The names.
        locales: Of these, people are from.
        rng: The chance.
    """

    def __init__(self, world: World, locales: Sequence[str], rng: random.Random) -> None:
        self._world = world
        self._locales = [name for name in locales if name in world.people]
        self._english = [name for name in self._locales if name in _ENGLISH] or self._locales
        self._rng = rng
        self._rules: Grammar = grammar("names")
        self._known: dict[str, _Person] = {}

    def text(self, pattern: str, kind: str) -> Made:
        """Fill a pattern."""
        self.forget()
        text, people, places = "", list[Span](), list[tuple[int, int, str]]()
        at = 0
        pattern = pattern.replace("\\n", "\n")
        for slot in _SLOT.finditer(pattern):
            text += pattern[at : slot.start()]
            at = slot.end()
            start = len(text)
            name = slot[1]
            if name in {"a", "a2"}:
                for part, mark in self.address():
                    if mark:
                        places.append((len(text), len(text) + len(part), mark))
                    text += part
            elif name in _NAMES:
                text += self.name(name)
                people.append((start, len(text)))
            else:
                text += self.filled(name)
        return recased(Made(text + pattern[at:], people, places, kind), self._rng)

    def forget(self) -> None:
        """Let the next names be of other people."""
        self._known = {}

    def name(self, slot: str) -> str:
        """Return a person's name: a slot's first letter says whose, the rest which."""
        person = self._person("p" if slot == "LAST" else slot[0])
        if slot == "LAST":
            return person.last.upper()
        match slot[1:]:
            case "1":
                return person.first
            case "l":
                return person.last
            case _:
                other = self._rng.choice(self._world.people[self._rng.choice(self._locales)].first)
                return person.in_full(self._rng, other)

    def _person(self, key: str) -> _Person:
        if key not in self._known:
            names = self._any()
            self._known[key] = _Person(self._rng.choice(names.first), self._rng.choice(names.last))
        return self._known[key]

    def _any(self) -> Names:
        return self._world.people[self._rng.choice(self._english if self._rng.random() < 0.4 else self._locales)]

    def address(self) -> list[tuple[str, str]]:
        """Return an address's parts, each with its mark."""
        rng = self._rng
        country = rng.choice(ADDRESSES)
        towns = self._world.towns[country.locale] or self._world.towns["en_GB"] or ("Springfield",)
        fill: Mapping[str, Callable[[], tuple[str, str]]] = {
            "n": lambda: (str(rng.randint(1, rng.choice((20, 200, 3000)))), "S"),
            "s": lambda: (self.street(country), "S"),
            "z": lambda: (_code(country.code, rng), "S"),
            "t": lambda: (rng.choice(towns or ("Springfield",)), "T"),
            "r": lambda: (rng.choice(_US), "T"),
        }
        return [
            fill[part[1]]() if part.startswith("{") else (part, "")
            for part in re.split(r"(\{\w\})", rng.choice(country.patterns))
            if part
        ]

    def street(self, country: Address) -> str:
        """Return a street's name."""
        people = self._world.people.get(country.locale) or self._world.people[self._english[0]]
        pattern = self._rng.choice(country.streets)
        return pattern.replace("{l}", self._rng.choice(people.last)).replace("{w}", self._rng.choice(_WORDS))

    def filled(self, name: str) -> str:
        """Return what a slot that names nobody may be filled with."""
        rng = self._rng
        drawn: Mapping[str, Callable[[], str]] = {
            "num": lambda: str(rng.randint(1, 59)),
            "two": lambda: f"{rng.randint(0, 59):02}",
            "year": lambda: str(rng.randint(1950, 2026)),
            "digits": lambda: str(rng.randint(10_000, 9_999_999)),
            "phone": lambda: f"+{rng.randint(1, 99)} {rng.randint(100, 999)} {rng.randint(10_000, 9_999_999)}",
            "box": lambda: rng.choice(("info", "sales", "team42", "office", "jdoe7", "x9", "support")),
            # What is called after somebody is nobody.
            "nl": lambda: rng.choice(self._any().last),
            "nf": lambda: rng.choice(self._any().first),
            "CITY": lambda: self.filled("city").upper(),
            "company_faker": lambda: rng.choice(self._world.companies),
            "city_faker": lambda: rng.choice(
                self._world.towns[rng.choice(("de_DE", "nl_NL", "es_ES", "en_US"))] or ("Rome",)
            ),
        }
        if name in drawn:
            return drawn[name]()
        return _SLOT.sub(lambda inner: self.filled(inner[1]), rng.choice(self._rules[name]))


def _code(pattern: str, rng: random.Random) -> str:
    letters = "ABCDEFGHJKLMNPRSTUW"
    return "".join(
        str(rng.randint(0, 9)) if mark == "#" else rng.choice(letters) if mark == "?" else mark for mark in pattern
    )


def made(world: World, count: int, seed: int, *, held: bool | None) -> list[Made]:
    """Make texts.

    Args:
        world: The names.
        count: How many, all kinds alike.
        seed: Of the chance.
        held: Only from the patterns (every fifth) and locales that are held out; ``False`` from the others.
    """
    rng = random.Random(seed)
    rules = grammar("names")
    chosen = [name for name in LOCALES if held is None or (name in HELD_LOCALES) == held]
    maker = Maker(world, chosen, rng)
    patterns = [
        (kind, pattern)
        for kind in KINDS
        for number, pattern in enumerate(rules[kind])
        if held is None or (number % 5 == 0) == held
    ]
    rng.shuffle(patterns)
    return [maker.text(*reversed(patterns[number % len(patterns)])) for number in range(count)]
