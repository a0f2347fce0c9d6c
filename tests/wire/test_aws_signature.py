"""Signatures, with the official client's signer as the oracle."""

from __future__ import annotations

from urllib.parse import quote

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.aws_account import AwsKeys
from gateway.wire.aws_signature import Signer

STAMP = "20260102T030405Z"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYzEXAMPLEKEY"
NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)


def officially(method: str, url: str, headers: dict[str, str], body: bytes, token: str) -> str:
    request = AWSRequest(method, url, dict(headers), body)
    request.headers["X-Amz-Date"] = STAMP
    if token:
        request.headers["X-Amz-Security-Token"] = token
    request.context["timestamp"] = STAMP
    signer = SigV4Auth(Credentials("AKID", SECRET, token or None), "bedrock", "eu-west-1")
    return str(signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request))


def ours(method: str, target: str, headers: dict[str, str], body: bytes, token: str) -> dict[str, str]:
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    wire = f"{method} {target} HTTP/1.1\r\n{head}content-length: {len(body)}\r\n\r\n".encode() + body
    keys = AwsKeys(access_key_id="AKID", secret_access_key=SECRET, session_token=token)
    lines = Signer(keys, "eu-west-1", "bedrock").lines(wire, STAMP).decode()
    assert lines.endswith("\r\n")
    return dict(line.split(": ", 1) for line in lines.splitlines())


@given(
    model=NAMES,
    body=st.binary(max_size=60),
    token=st.sampled_from(["", "IQoJ/token+=="]),
    query=st.sampled_from(["", "b=2&a=1", "a=1&a=0", "a", "a-b=1&a=2"]),
    guardrail=st.sampled_from(["", "a  b", " a"]),
)
def test_a_signature_is_the_official_one(model: str, body: bytes, token: str, query: str, guardrail: str) -> None:
    path = f"/model/{quote(model, safe='-._~')}/converse"
    headers = {"host": "bedrock-runtime.eu-west-1.amazonaws.com", "content-type": "application/json"}
    if guardrail:
        headers["x-amzn-bedrock-guardrailidentifier"] = guardrail
    target = f"{path}?{query}" if query else path
    said = ours("POST", target, {**headers, "user-agent": "not signed"}, body, token)
    signature = officially("POST", f"https://{headers['host']}{target}", headers, body, token)
    assert said["authorization"].endswith("Signature=" + signature)
    assert said["x-amz-date"] == STAMP
    assert said.get("x-amz-security-token", "") == token


def test_the_path_is_signed_as_it_is_sent() -> None:
    """An escaped name and the same name as it is are different bytes, and have different signatures."""
    headers = {"host": "h", "content-type": "application/json"}
    plain, escaped = (ours("POST", f"/model/a{mark}b/invoke", headers, b"", "") for mark in (":", "%3A"))
    assert plain["authorization"] != escaped["authorization"]
    assert escaped["authorization"].endswith(officially("POST", "https://h/model/a%3Ab/invoke", headers, b"", ""))


def test_a_day_has_its_own_key_and_the_secret_never_shows() -> None:
    signer = Signer(AwsKeys(access_key_id="AKID", secret_access_key=SECRET), "eu-west-1", "bedrock")
    wire = b"POST / HTTP/1.1\r\nhost: h\r\n\r\n{}"
    first, second, again = (signer.lines(wire, stamp) for stamp in (STAMP, "20260103T030405Z", STAMP))
    assert first == again != second
    assert b"Credential=AKID/20260102/eu-west-1/bedrock/aws4_request, SignedHeaders=host;x-amz-date," in first
    assert SECRET.encode() not in first
