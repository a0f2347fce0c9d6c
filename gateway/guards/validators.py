"""Checks on a candidate match: where it may stand, what is secret in it, how far it goes.

A pattern names its check in ``PatternSpec.validator``. Everything here looks at most :data:`LOOK_BACK` characters to
the left of a candidate and one to its right, which is what a stream keeps, and costs a few microseconds however the
text is made up.
"""

from __future__ import annotations

import binascii
import math
import re
from typing import Literal

import msgspec

LOOK_BACK = 40
# An opener without a closer is swallowed this far; beyond it, the rest of the text is taken for the secret.
BLOCK_CHARS = 16_384

_DISTINCT_CHARS, _MIXED_CHARS, _ENTROPY_CHARS, _ESCAPE_CHARS = 16, 20, 32, 8
_PASSWORD_PLACEHOLDERS = frozenset(("password", "passwd", "pass", "pwd", "secret"))
# What stands for a value in documentation; a value that holds one of these is none.
_STAND_IN = re.compile(
    r"(?i)example|sample|dummy|your|change|placeholder|redact|secret|passw|token|apikey|api_key|xxxx|\*\*\*|1234567"
    r"|abcdef|insert|replace|mock_|fake"
)
# A token may follow an escape whose last character is a letter: \nAKIA…, %3DAKIA…, a colour code.
_ESCAPE = re.compile(r"(?:\\[abfnrtv0]|\\x[0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|%[0-9a-fA-F]{2}|\x1b\[[0-9;]{0,4}m)\Z")
# The same as look-behinds; more may pass here than there.
ESCAPED = r"(?<=\\[abfnrtv0])|(?<=\\x[0-9a-fA-F]{2})|(?<=\\u[0-9a-fA-F]{4})|(?<=%[0-9a-fA-F]{2})|(?<=[\[0-9;]m)"
ESCAPE_CHARS = ("\\", "%", "\x1b")


class Tail(msgspec.Struct, frozen=True):
    """Characters over which a match goes on for as long as they follow.

    Attributes:
        run: Matches a stretch of them, possibly none.
        dotted: A dot belongs to it when another one of them follows the dot.
    """

    run: re.Pattern[str]
    dotted: bool = False

    def reach(self, text: str, at: int, origin: int) -> tuple[int, bool]:
        """Go on from ``at``.

        Args:
            text: What there is so far.
            at: How far the match goes already.
            origin: Where the expression's own match ended.

        Returns:
            Where the match ends, and whether more text could not change that.
        """
        del origin
        found = self.run.match(text, at)
        end = found.end() if found else at
        if end == len(text):
            return end, False
        return end, not (self.dotted and text[end] == "." and end + 1 == len(text))


class Closer(msgspec.Struct, frozen=True):
    """A literal that ends a match, within :data:`BLOCK_CHARS` of the opener; without it, the match takes the rest."""

    literal: str

    def reach(self, text: str, at: int, origin: int) -> tuple[int, bool]:
        """Go on from ``at``; see :meth:`Tail.reach`."""
        limit = origin + BLOCK_CHARS
        if at <= limit:
            found = text.find(self.literal, max(origin, at - len(self.literal) + 1), limit)
            if found >= 0:
                return found + len(self.literal), True
        return len(text), False


Growth = Tail | Closer
# ``run``: as ``alnum``, and none of the joints of base64 either.
Before = Literal["", "alnum", "digit", "run"]
BOUNDED = ("alnum", "run")


class Check(msgspec.Struct, frozen=True):
    """What a candidate must be.

    Attributes:
        before: What must not stand right before it.
        exact: No letter or digit may follow it.
        last: Only its last characters are the secret; 0 for all of them.
        tail: How it goes on.
        distinct: How many different characters its last sixteen have at least.
        mixed: Its last twenty characters hold a digit, or letters of both cases.
        entropy: Bits for each character of its secret part, at least.
        reads: Expression of what follows a candidate and is looked at too; at least all that may belong to it.
        sizes: How many letters and digits it has, where its expression is one that many patterns share: the candidate
            is then tried from every group of them that makes one of these.
        costly: It costs more than a look at the words that a pattern wants before a match.
    """

    before: Before = "alnum"
    exact: bool = False
    last: int = 0
    tail: Tail | None = None
    distinct: int = 4
    mixed: bool = False
    entropy: float = 0.0
    reads: str = ""
    sizes: tuple[int, ...] = ()
    costly: bool = False

    def narrow(self, text: str, start: int, end: int) -> tuple[int, int] | None:
        """Return the secret's own stretch within a candidate, or ``None`` when it is none."""
        secret = self.part(text, start, end)
        if secret is None or not self.entropy:
            return secret
        first, last = secret
        return secret if entropy(text[max(first, last - _ENTROPY_CHARS) : last]) >= self.entropy else None

    def part(self, text: str, start: int, end: int) -> tuple[int, int] | None:
        """As :meth:`narrow`, whatever the entropy."""
        if not free(text, start, self.before):
            return None
        if self.exact and end < len(text) and _is_alnum(text[end]):
            return None
        if len(set(text[max(start, end - _DISTINCT_CHARS) : end])) < self.distinct:
            return None
        if self.mixed and not _is_mixed(text[max(start, end - _MIXED_CHARS) : end]):
            return None
        return (end - self.last if self.last else start), end


class PasswordCheck(Check, frozen=True):
    """The password in ``scheme://user:password@``; what stands for one in templates is left alone."""

    def part(self, text: str, start: int, end: int) -> tuple[int, int] | None:
        """See :meth:`Check.narrow`."""
        first = text.index(":", text.index("://", start) + 3) + 1
        password = text[first : end - 1]
        if password[0] in "$%*[{" or password.lower() in _PASSWORD_PLACEHOLDERS or len(set(password)) < 2:
            return None
        return (first, end - 1) if free(text, start, self.before) else None


class AssignedCheck(Check, frozen=True):
    """A value that a name says is secret: ``api_key = "…"``, ``"password": "…"``, ``X-Api-Key: …``.

    The candidate begins with the sign between the two; the last :attr:`last` characters are the value's first ones.

    Attributes:
        names: How the name ends, in lower case.
        besides: Names that end so and mean something else.
        maker: Somebody whose name must stand in it, too.
        word: The value is a password, which need not be long, rather than something that a machine made up.
    """

    names: tuple[str, ...] = ()
    besides: tuple[str, ...] = ()
    maker: re.Pattern[str] | None = None
    word: bool = False

    def part(self, text: str, start: int, end: int) -> tuple[int, int] | None:
        """See :meth:`Check.narrow`."""
        if not self._named(text[max(0, start - LOOK_BACK) : start].lower()):
            return None
        first = end - self.last
        value, quoted = text[first:end], text[first - 1] in _QUOTES
        if len(set(value)) < self.distinct or _STAND_IN.search(value):
            return None
        stands = _is_password(value, quoted=quoted) if self.word else _is_random(value, quoted=quoted)
        return (first, end) if stands else None

    def _named(self, left: str) -> bool:
        name = left.rstrip(_BETWEEN)
        if not name.endswith(self.names):
            # In code, a type may stand between the name and the value.
            name, colon, kind = name.rpartition(":")
            name = name.rstrip(_BETWEEN)
            if not colon or not name.endswith(self.names) or not kind.strip().isidentifier():
                return False
        if self.besides and name.endswith(self.besides):
            return False
        return self.maker is None or self.maker.search(name) is not None


class BasicCheck(Check, frozen=True):
    """The value of a ``Basic`` authorization header: base64 of a name, a colon and a password."""

    def part(self, text: str, start: int, end: int) -> tuple[int, int] | None:
        """See :meth:`Check.narrow`."""
        value = text[end - self.last : end]
        if not free(text, start, self.before) or value.islower() or value.isupper():
            return None
        try:
            plain = binascii.a2b_base64(value, strict_mode=True).partition(b":")[0]
        except binascii.Error:
            return None
        return (end - self.last, end) if plain.isascii() and plain.decode().isprintable() else None


class RandomCheck(Check, frozen=True):
    """A value that looks made up by a machine, such as the token in a ``Bearer`` header."""

    def part(self, text: str, start: int, end: int) -> tuple[int, int] | None:
        """See :meth:`Check.narrow`."""
        first = end - self.last if self.last else start
        value = text[max(first, end - _MIXED_CHARS) : end]
        if not free(text, start, self.before) or _STAND_IN.search(value) or not _is_random(value, quoted=False):
            return None
        return first, end


class WordCheck(Check, frozen=True):
    """A password in a place where only a password stands."""

    def part(self, text: str, start: int, end: int) -> tuple[int, int] | None:
        """See :meth:`Check.narrow`."""
        value = text[end - self.last : end]
        if not free(text, start, self.before) or _STAND_IN.search(value) or not _is_password(value, quoted=False):
            return None
        return end - self.last, end


def _is_alnum(char: str) -> bool:
    return char.isalnum() and char.isascii()


def free(text: str, start: int, before: Before) -> bool:
    """Return whether a token can begin here."""
    if not start or not before:
        return True
    char = text[start - 1]
    if before == "digit":
        return char not in "0123456789"
    if before == "run" and char in "+/_-":
        return False
    if not _is_alnum(char):
        return True
    left = text[max(0, start - _ESCAPE_CHARS) : start]
    return any(mark in left for mark in ESCAPE_CHARS) and _ESCAPE.search(left) is not None


def _is_mixed(text: str) -> bool:
    if not text.isalpha() and any(char.isdigit() for char in text):
        return True
    return text.lower() != text and text.upper() != text


def entropy(text: str) -> float:
    """Return the Shannon entropy of a text, in bits for each of its characters."""
    size = len(text)
    counts = [text.count(char) for char in set(text)]
    return -sum(count / size * math.log2(count / size) for count in counts)


def _is_random(value: str, *, quoted: bool) -> bool:
    """Whether a value looks made up by a machine, rather than like a name, a path or a call.

    What people and programs call things keeps to one kind of character for some letters; made-up text does not.
    """
    core = value.translate(_NO_JOINTS)
    digits = sum(map(core.count, "0123456789"))
    if not digits or digits == len(core) or entropy(value) < _RANDOM_BITS:
        return False
    if _HEX.fullmatch(core):
        return digits * 8 >= len(core)
    both = core.lower() != core and core.upper() != core
    if len(core) < len(value) and not both and digits * 4 < len(core):
        return False
    changes = len(_CHANGES.findall(core))
    return changes >= (len(core) - 1) * (0.3 if quoted else 0.42) * (1 if both else 0.67)


def _is_password(value: str, *, quoted: bool) -> bool:
    """Whether the beginning of a value is not a word of some language or program."""
    kinds = sum(1 for kind in _KINDS if kind.search(value))
    if kinds < (2 if quoted else 3):
        return False
    return entropy(value) >= _PASSWORD_BITS and (
        kinds > 2 or (value[0] not in "/.%@#-" and not _PLAIN.fullmatch(value))
    )


_QUOTES = "\"'`"
_BETWEEN = " \t:=\"'`\\]"
_NO_JOINTS = dict.fromkeys(map(ord, "_-/+.~"))
_HEX = re.compile(r"[0-9a-f]+|[0-9A-F]+")
_CHANGES = re.compile(r"[a-z](?=[A-Z0-9])|[A-Z](?=[a-z0-9])|[0-9](?=[A-Za-z])")
_KINDS = tuple(map(re.compile, (r"[a-z]", r"[A-Z]", r"[0-9]", r"[!#$%&*+?@^~]")))
# Letters and at most a number behind them.
_PLAIN = re.compile(r"[A-Za-z_.-]+[0-9]{0,3}")
_RANDOM_BITS, _PASSWORD_BITS = 2.8, 2.4

_WORD = Tail(re.compile(r"[A-Za-z0-9_]*"))
_WIDE = Tail(re.compile(r"[A-Za-z0-9_-]*"))
_DOTTED = Tail(re.compile(r"[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*"), dotted=True)
_TILDED = Tail(re.compile(r"[A-Za-z0-9_~-]*(?:\.[A-Za-z0-9_~-]+)*"), dotted=True)
_PATH = Tail(re.compile(r"[A-Za-z0-9/_-]*"))
_BASE64 = Tail(re.compile(r"[A-Za-z0-9+/=_-]*"))
_URL = Tail(re.compile(r"[A-Za-z0-9%+/=_-]*"))

_VALUE = Tail(re.compile(r"[A-Za-z0-9_/+=~-]*(?:\.[A-Za-z0-9_/+=~-]+)*"), dotted=True)
_HASH = Tail(re.compile(r"[A-Za-z0-9/+$=]*(?:\.[A-Za-z0-9/+$=]+)*"), dotted=True)
_ELEMENT = Tail(re.compile(r"[!#-;=?-~]*"))
_PASSWORD = Tail(re.compile(r"[A-Za-z0-9_/+=~!#$%&*?@^-]*(?:\.[A-Za-z0-9_/+=~!#$%&*?@^-]+)*"), dotted=True)

_PASSWORD_NAMES = (
    "password", "passwd", "passphrase", "passcode", "passwort", "pwd", "_pass", "-pass", " pass", ".pass", "userpass",
)  # fmt: skip
# What a key opens, and how its name may be spelled.
_OPENS = (
    "api", "access", "secret", "private", "auth", "account", "encryption", "signing", "master", "service", "storage",
    "admin", "app", "application", "consumer", "license", "webhook", "session", "jwt", "hmac", "shared", "deploy",
    "write", "subscription", "client", "user", "root", "aes", "cookie", "server", "function", "host",
)  # fmt: skip
_SECRET_NAMES = (
    *(f"{each}{joint}key" for each in _OPENS for joint in ("", "_", "-", " ")),
    "secret", "token", "secret_key_base", "credential", "credentials", "authorization", "_auth", "-auth",
)  # fmt: skip
# Cursors, and what a page carries to guard its own forms.
_NO_SECRET_NAMES = tuple(
    f"{each}{joint}token"
    for each in ("page", "next", "previous", "continuation", "sync", "delta", "csrf", "xsrf", "cancellation", "cursor")
    for joint in ("", "_", "-", " ")
)
_AWS_NAMES = (
    "secret_access_key", "secretaccesskey", "secret-access-key", "secret access key", "aws_secret_key", "aws_secret",
    "awssecretkey",
)  # fmt: skip
_MAKERS = re.compile(
    r"heroku|fastly|cloudflare|datadog|dd_|twilio|okta|pagerduty|algolia|mistral|cohere|azure|alchemy|infura|etherscan"
    r"|deepgram|assemblyai|wandb|serper|mixpanel|amplitude|segment|rollbar|bugsnag|opsgenie|splunk|sumo|logz|elastic"
    r"|typesense|meili|pusher|ably|agora|zendesk|freshdesk|intercom|trello|asana|zoom|spotify|twitch|twitter|linkedin"
    r"|coinbase|binance|kraken|kucoin|bittrex|plaid|adyen|codecov|coveralls|travis|drone|snyk|mapbox|messagebird|vonage"
    r"|plivo|postmark|sparkpost|mailjet|vultr|linode|scaleway|hetzner|auth0|onelogin|gitter|mattermost|sonar|jfrog"
    r"|artifactory|confluent|upstash|jumpcloud|stability|runway|newrelic|new_relic|looker|rapidapi|ngrok|nytimes"
)

CHECKS: dict[str, Check] = {
    "exact": Check(exact=True),
    "word": Check(tail=_WORD),
    "wide": Check(tail=_WIDE),
    "dotted": Check(tail=_DOTTED),
    "path": Check(tail=_PATH),
    "teams": Check(tail=Tail(re.compile(r"[A-Za-z0-9@/-]*"))),
    "hash": Check(before="", distinct=3, tail=_HASH),
    "django": Check(tail=_PASSWORD),
    "element": WordCheck(before="", last=8, tail=_ELEMENT),
    "curl": WordCheck(last=8, tail=_PASSWORD),
    "base64": Check(tail=_BASE64),
    "numbered": Check(before="digit", tail=_WIDE),
    "mixed": Check(tail=_WORD, mixed=True),
    "mixed_wide": Check(tail=_WIDE, mixed=True),
    "lone": Check(before="run", tail=_WORD, mixed=True),
    "lone_exact": Check(before="run", exact=True, mixed=True),
    "lone_seed": Check(before="run", exact=True, distinct=8),
    "lone_wide": Check(before="run", tail=_WIDE, mixed=True, distinct=8),
    "random_wide": Check(tail=_WIDE, mixed=True, distinct=8),
    "tail_wide": Check(before="", tail=_TILDED),
    **{f"last{size}": Check(last=size, tail=_WIDE) for size in (16, 26, 32, 42, 43, 48, 64)},
    "last40": Check(last=40, tail=_BASE64),
    "last44": Check(last=44),
    "last32_url": Check(last=32, tail=_URL),
    "last40_url": Check(before="", last=40, tail=_URL),
    "last88": Check(last=88),
    "url_password": PasswordCheck(before=""),
    "scheme_password": PasswordCheck(),
    "basic": BasicCheck(last=16, tail=_BASE64),
    "made_up": RandomCheck(tail=_WORD),
    "bearer": RandomCheck(last=20, tail=_VALUE),
    "assigned_secret": AssignedCheck(
        before="", last=16, tail=_VALUE, distinct=8, names=_SECRET_NAMES, besides=_NO_SECRET_NAMES
    ),
    "assigned_key": AssignedCheck(
        before="", last=20, tail=_VALUE, distinct=8, names=("key", "token", "secret", "sid"), maker=_MAKERS
    ),
    "assigned_password": AssignedCheck(before="", last=8, tail=_PASSWORD, names=_PASSWORD_NAMES, word=True),
    "assigned_aws": AssignedCheck(before="", last=40, tail=_BASE64, distinct=12, names=_AWS_NAMES),
    "assigned_curve": AssignedCheck(
        before="", last=44, distinct=12, names=("privatekey", "presharedkey", "private_key")
    ),
}
NO_CHECK = Check(before="", distinct=0)


def with_entropy(check: Check, bits: float) -> Check:
    """Return a check that also demands so many bits for each character of what it finds; 0 demands nothing more."""
    return msgspec.structs.replace(check, entropy=bits) if bits else check
