"""Who a program is to Amazon's cloud: keys, or where keys are given out that hold for a while."""

from __future__ import annotations

import msgspec


class AwsKeys(msgspec.Struct, frozen=True, kw_only=True, tag="keys"):
    """Keys that requests are signed with.

    Attributes:
        access_key_id: Names them; goes out with every request.
        secret_access_key: Never leaves the process.
        session_token: Of keys that hold for a while. Secret.
    """

    access_key_id: str
    secret_access_key: str
    session_token: str = ""

    def __repr__(self) -> str:
        return f"AwsKeys({self.access_key_id!r})"


class WebIdentity(msgspec.Struct, frozen=True, kw_only=True, tag="web_identity"):
    """A statement of a cluster's about who we are, in a file that is written anew, against keys of a role.

    Attributes:
        role_arn: Whose keys.
        token_file: Holds the statement.
        session_name: As the cloud's own records call what we do.
        url: Of the service that gives keys out.
    """

    role_arn: str
    token_file: str
    session_name: str
    url: str


class ContainerKeys(msgspec.Struct, frozen=True, kw_only=True, tag="container"):
    """Keys that whoever runs the container gives out at an address, for a token or none."""

    url: str
    token: str = ""
    token_file: str = ""

    def __repr__(self) -> str:
        return f"ContainerKeys({self.url!r})"


class InstanceKeys(msgspec.Struct, frozen=True, kw_only=True, tag="instance"):
    """Keys of the machine's own role, at an address that only the machine can reach."""

    url: str


AwsAccount = AwsKeys | WebIdentity | ContainerKeys | InstanceKeys


_decode = msgspec.json.Decoder(AwsAccount).decode


def read_account(text: str) -> AwsAccount:
    """Read what :func:`write_account` has written."""
    return _decode(text)


def write_account(account: AwsAccount) -> str:
    """Write an account, for where it is kept as one secret."""
    return msgspec.json.encode(account).decode()
