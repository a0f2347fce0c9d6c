from __future__ import annotations

import pytest

from gateway.core.aws_account import (
    AwsAccount,
    AwsKeys,
    ContainerKeys,
    InstanceKeys,
    WebIdentity,
    read_account,
    write_account,
)

KEYS = AwsKeys(access_key_id="AKID", secret_access_key="s3cret", session_token="t0ken")


@pytest.mark.parametrize(
    "account",
    [
        KEYS,
        WebIdentity(role_arn="arn", token_file="/t", session_name="weighbridge", url="https://sts"),
        ContainerKeys(url="http://169.254.170.2/x", token="t0ken"),
        InstanceKeys(url="http://169.254.169.254"),
    ],
)
def test_an_account_reads_back(account: AwsAccount) -> None:
    assert read_account(write_account(account)) == account


def test_what_is_secret_does_not_show_itself() -> None:
    shown = repr(KEYS) + repr(ContainerKeys(url="u", token="t0ken"))
    assert "s3cret" not in shown
    assert "t0ken" not in shown
    assert "AKID" in shown
