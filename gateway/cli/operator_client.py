"""A small blocking client of the operator plane, for commands. It imports little, so that commands start fast."""

from __future__ import annotations

import argparse
import http.client
import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from urllib.parse import urlencode, urlsplit

import orjson

from gateway.cli.output import UNREACHABLE, USAGE, WRONG, closing_quietly, complain

DEFAULT_ADDRESS = "127.0.0.1:8081"
_DEFAULT_PORT = 8081
# Queries may scan days of traces; a server that is silent for longer is as good as gone.
_TIMEOUT_S = 120.0
_MAX_ERROR_BYTES = 65_536
_PIECE_BYTES = 65_536

# A list stands for a name that is given several times.
Query = Mapping[str, str | int | Sequence[str] | None]


class BadAddress(Exception):
    """The operator's address cannot be read."""


class Unreachable(Exception):
    """Nothing that speaks HTTP answers at the operator's address.

    Attributes:
        nobody: Nobody listens there, so that nothing can have been done.
    """

    def __init__(self, address: str, reason: str, *, nobody: bool = False) -> None:
        super().__init__(f"the operator at {address} cannot be reached: {reason}")
        self.nobody = nobody


class Refused(Exception):
    """The operator answered with an error.

    Attributes:
        status: The HTTP status.
        code: The code of the error document; empty when there was none.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class OperatorClient:
    """Speaks to one operator.

    Args:
        address: ``host:port``, or a URL with ``http`` or ``https``.
        token: The bearer token, if there is one.

    Raises:
        BadAddress: The address is neither.
    """

    def __init__(self, address: str, token: str | None = None, timeout_s: float = _TIMEOUT_S) -> None:
        self.address = address
        self._timeout_s = timeout_s
        self._headers = {"authorization": f"Bearer {token}"} if token else {}
        try:
            parts = urlsplit(address if "://" in address else f"http://{address}")
            self._host, self._port = parts.hostname or "", parts.port
        except ValueError as error:
            raise BadAddress(f"'{address}' is no address: {error}") from None
        self._tls = parts.scheme == "https"
        plain = bool(self._host) and self._host.isascii() and not any(char.isspace() for char in self._host)
        if parts.scheme not in {"http", "https"} or not plain or parts.path.strip("/") or parts.username:
            raise BadAddress(f"'{address}' is no address; say host:port or http://host:port")

    def get(self, path: str, query: Query | None = None) -> Any:
        """Fetch one JSON document.

        Raises:
            Unreachable: Nothing answers, or the answer breaks off.
            Refused: The operator said no.
        """
        with self.open("GET", path, query) as answer:
            return answer.document()

    def post(self, path: str, document: Any) -> Any:
        """Send one JSON document and fetch the answer; raises as :meth:`get`."""
        with self.open("POST", path, document=document) as answer:
            return answer.document()

    @contextmanager
    def open(
        self, method: str, path: str, query: Query | None = None, document: Any = None
    ) -> Generator[Answer, None, None]:
        """Open an answer to read from as it comes; raises as :meth:`get`. ``path`` is percent-encoded already."""
        kind = http.client.HTTPSConnection if self._tls else http.client.HTTPConnection
        port = self._port or (443 if self._tls else _DEFAULT_PORT)
        connection = kind(self._host, port, timeout=self._timeout_s)
        asked = {name: value for name, value in (query or {}).items() if value is not None}
        target = f"{path}?{urlencode(asked, doseq=True)}" if asked else path
        headers = dict(self._headers)
        body = None
        if document is not None:
            headers["content-type"] = "application/json"
            body = orjson.dumps(document)
        try:
            with self._reaching():
                connection.request(method, target, body, headers)
                response = connection.getresponse()
            answer = Answer(response, self._reaching)
            if response.status >= 400:
                raise answer.refusal()
            yield answer
        finally:
            connection.close()

    @contextmanager
    def _reaching(self) -> Generator[None, None, None]:
        try:
            yield
        except (OSError, ValueError, http.client.HTTPException) as error:
            nobody = isinstance(error, ConnectionRefusedError)
            raise Unreachable(self.address, _reason(error), nobody=nobody) from None


class Answer:
    """An answer of the operator that is read piece by piece.

    Args:
        response: As the standard library gives it.
        reaching: Turns failures of reading into :class:`Unreachable`.
    """

    def __init__(
        self, response: http.client.HTTPResponse, reaching: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._response = response
        self._reaching = reaching

    def document(self) -> Any:
        """Read the whole answer as JSON."""
        with self._reaching():
            return orjson.loads(self._response.read())

    def pieces(self) -> Iterator[bytes]:
        """The body as it comes; an answer that breaks off raises, so that nobody takes a part for the whole."""
        while True:
            with self._reaching():
                piece = self._response.read(_PIECE_BYTES)
            if not piece:
                return
            yield piece

    def lines(self) -> Iterator[bytes]:
        """The body line by line, line ends removed."""
        while True:
            with self._reaching():
                line = self._response.readline()
            if not line:
                return
            yield line.rstrip(b"\r\n")

    def refusal(self) -> Refused:
        """What the operator's error document says."""
        response = self._response
        with self._reaching():
            text = response.read(_MAX_ERROR_BYTES)
        try:
            error = orjson.loads(text)["error"]
            return Refused(response.status, str(error["code"]), str(error["message"]))
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return Refused(response.status, "", f"the operator answered {response.status} {response.reason}")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--operator`` and ``--json``, which every command that asks the operator has."""
    parser.add_argument(
        "--operator",
        metavar="H:P",
        help=f"the operator plane (default: $WEIGHBRIDGE_OPERATOR, else {DEFAULT_ADDRESS}); "
        "its token is taken from $WEIGHBRIDGE_OPERATOR_TOKEN",
    )
    parser.add_argument("--json", action="store_true", help="write one JSON document")


def asking(command: Callable[[argparse.Namespace, OperatorClient], int]) -> Callable[[argparse.Namespace], int]:
    """Make a command of one that asks the operator: give it the client, and turn failures into exit codes."""

    def run(args: argparse.Namespace) -> int:
        address = args.operator or os.environ.get("WEIGHBRIDGE_OPERATOR") or DEFAULT_ADDRESS
        try:
            return command(args, OperatorClient(address, os.environ.get("WEIGHBRIDGE_OPERATOR_TOKEN")))
        except BadAddress as error:
            complain(str(error))
            return USAGE
        except Unreachable as error:
            complain(str(error))
            return UNREACHABLE
        except Refused as error:
            complain(str(error))
            return WRONG

    return closing_quietly(run)


def _reason(error: OSError | ValueError | http.client.HTTPException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, http.client.IncompleteRead):
        return "its answer broke off"
    if isinstance(error, OSError):
        return error.strerror or str(error) or type(error).__name__
    return "what answers there is no operator"
