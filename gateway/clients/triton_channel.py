"""The channel to a Triton server that is spoken to by gRPC, shared by all its calls."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from gateway.clients.triton_messages import Messages, described
from gateway.core.errors import ConnectFailed, ConnectTimeout
from gateway.wire.triton.raw import Described
from gateway.wire.triton.rpc_paths import RpcTarget

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
# What a model says of itself is believed for so long; a server may load another version of it.
DESCRIBED_S = 60.0
MAX_DESCRIBED = 1_024
_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.initial_reconnect_backoff_ms", 100),
    # gRPC gives up an attempt to connect after this: TLS with a server far away takes longer than a pause between two.
    # How long a call waits for it is a matter of its own.
    ("grpc.min_reconnect_backoff_ms", 10_000),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # Channels to one address must not share connections: a new configuration may bring another credential.
    ("grpc.use_local_subchannel_pool", 1),
)


class Server:
    """One server: its channel, and what its models say of themselves.

    Args:
        url: ``grpc://host:port``, or ``grpcs://`` for TLS.
        messages: The protocol's classes.
    """

    def __init__(self, url: str, messages: Messages) -> None:
        parts = urlsplit(url)
        self.messages = messages
        if parts.scheme == "grpcs":
            credentials = messages.grpc.ssl_channel_credentials()
            self._channel = messages.aio.secure_channel(parts.netloc, credentials, options=_OPTIONS)
        else:
            self._channel = messages.aio.insecure_channel(parts.netloc, options=_OPTIONS)
        self.stub: Any = messages.services.GRPCInferenceServiceStub(self._channel)
        self._described: dict[tuple[str, str], tuple[float, Mapping[str, Described]]] = {}

    async def connected(self, timeout_s: float) -> None:
        """Wait for the channel.

        Raises:
            ConnectFailed: The server refuses.
            ConnectTimeout: It does not answer.
        """
        states = self.messages.grpc.ChannelConnectivity
        try:
            async with asyncio.timeout(timeout_s):
                while (state := self._channel.get_state(try_to_connect=True)) is not states.READY:
                    if state in (states.TRANSIENT_FAILURE, states.SHUTDOWN):
                        raise ConnectFailed("Could not connect to the provider.")
                    await self._channel.wait_for_state_change(state)
        except TimeoutError:
            raise ConnectTimeout("The provider did not accept a connection in time.") from None

    async def inputs(self, target: RpcTarget, metadata: Any) -> Mapping[str, Described]:
        """Ask what a model takes; remembered for a while."""
        key = (target.model, target.version)
        now_s = asyncio.get_running_loop().time()
        known = self._described.get(key)
        if known is not None and known[0] > now_s:
            return known[1]
        asked = self.messages.classes.ModelMetadataRequest(name=target.model, version=target.version)
        found = described((await self.stub.ModelMetadata(asked, metadata=metadata)).inputs)
        if len(self._described) >= MAX_DESCRIBED:
            self._described.clear()
        self._described[key] = now_s + DESCRIBED_S, found
        return found

    def forget(self, target: RpcTarget) -> None:
        """What a model said of itself may hold no longer."""
        self._described.pop((target.model, target.version), None)

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close()
