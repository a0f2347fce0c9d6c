from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import numpy as np
import pytest

from gateway.clients.onnx import OnnxBackend
from gateway.clients.triton_infer import TritonBackend
from gateway.core.errors import Misconfigured, ModelFailed
from gateway.guards.models import catalog
from gateway.guards.models.embedder import load_embedder
from loadtests.ports import free_port
from tests.support.models import built_home, reader
from tests.support.triton_server import triton

WINDOW = {"ids": np.array([[101, 7592, 2088, 102]]), "mask": np.ones((1, 4), dtype=np.int64)}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with triton(catalog.folder(built_home()), tmp_path_factory.mktemp("triton")) as url:
        yield url


def with_backend(url: str, scenario: Callable[[TritonBackend], Awaitable[None]], timeout_s: float = 30) -> None:
    async def run() -> None:
        backend = TritonBackend(url, timeout_s=timeout_s)
        try:
            await scenario(backend)
        finally:
            await backend.close()

    asyncio.run(asyncio.wait_for(run(), 90))


@pytest.mark.integration
def test_a_real_server_gives_what_a_model_here_gives(server: str) -> None:
    texts = ["one text", "another, longer text " * 60, ""]
    read = reader()

    async def scenario(backend: TritonBackend) -> None:
        here = OnnxBackend(lambda model: read(f"{model}.onnx"), timeout_s=30)
        try:
            for model in ("embedder", "names"):
                ours, theirs = await here.run(model, WINDOW), await backend.run(model, WINDOW)
                assert ours.keys() == theirs.keys()
                for name, value in ours.items():
                    assert np.allclose(value, theirs[name], atol=1e-4)
            found = [await load_embedder(each, read).embed(texts) for each in (here, backend)]
            assert (found[0] * found[1]).sum(1).min() > 0.999
        finally:
            await here.close()

    with_backend(server, scenario)


@pytest.mark.integration
def test_windows_of_a_real_server_come_back_in_their_order(server: str) -> None:
    async def scenario(backend: TritonBackend) -> None:
        windows = [
            {"ids": np.array([[101, 1000 + n, 102]]), "mask": np.ones((1, 3), dtype=np.int64)} for n in range(30)
        ]
        together = await backend.run_each("embedder", windows)
        for window, found in zip(windows[::7], together[::7], strict=True):
            assert np.array_equal((await backend.run("embedder", window))["embedding"], found["embedding"])

    with_backend(server, scenario)


@pytest.mark.integration
@pytest.mark.parametrize(
    ("model", "inputs"),
    [
        ("no-such-model", WINDOW),
        ("../v2", WINDOW),
        ("embedder", {"ids": WINDOW["ids"]}),
        ("embedder", {"ids": np.full((1, 4), 10**9), "mask": WINDOW["mask"]}),
    ],
)
def test_what_a_real_server_refuses_is_a_failure(server: str, model: str, inputs) -> None:
    async def scenario(backend: TritonBackend) -> None:
        with pytest.raises(ModelFailed):
            await backend.run(model, inputs)
        assert (await backend.run("embedder", WINDOW))["embedding"].shape == (1, 384)

    with_backend(server, scenario)


def test_a_server_that_is_not_there_is_a_failure() -> None:
    async def scenario(backend: TritonBackend) -> None:
        with pytest.raises(ModelFailed):
            await backend.run("embedder", WINDOW)

    with_backend(f"http://127.0.0.1:{free_port()}", scenario)


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(Misconfigured):
        TritonBackend("grpc://triton:8001")


def serving(answer: bytes | None) -> Callable[[Callable[[TritonBackend], Awaitable[None]]], None]:
    """A server of one's own that gives these bytes to whoever asks; ``None``: it never answers."""

    def run(scenario: Callable[[TritonBackend], Awaitable[None]]) -> None:
        async def main() -> None:
            async def serve(incoming: asyncio.StreamReader, outgoing: asyncio.StreamWriter) -> None:
                await incoming.readuntil(b"\r\n\r\n")
                if answer is None:
                    await incoming.read()
                else:
                    outgoing.write(answer)
                    await outgoing.drain()
                outgoing.close()

            server = await asyncio.start_server(serve, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            backend = TritonBackend(f"http://127.0.0.1:{port}", timeout_s=0.3 if answer is None else 30)
            try:
                await scenario(backend)
            finally:
                await backend.close()
                server.close()
                await server.wait_closed()

        asyncio.run(asyncio.wait_for(main(), 60))

    return run


HEAD = b'{"outputs":[{"name":"y","datatype":"FP32","shape":[2],"parameters":{"binary_data_size":8}}]}'


def answered(body: bytes, head: int | None = None) -> bytes:
    mark = b"" if head is None else b"Inference-Header-Content-Length: %d\r\n" % head
    return b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n\r\n%b" % (mark, len(body), body)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(answered(b"not json"), id="no JSON"),
        pytest.param(answered(HEAD, len(HEAD)), id="no data"),
        pytest.param(answered(HEAD + b"1234", len(HEAD)), id="too little data"),
        pytest.param(answered(HEAD.replace(b"FP32", b"BYTES") + b"12345678", len(HEAD) + 1), id="another type"),
        pytest.param(answered(HEAD + b"12345678", 3), id="a head cut short"),
        pytest.param(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", id="an error"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nshort", id="cut off"),
        pytest.param(None, id="silence"),
    ],
)
def test_an_answer_that_is_none_is_a_failure_and_no_hang(answer: bytes | None) -> None:
    async def scenario(backend: TritonBackend) -> None:
        with pytest.raises(ModelFailed):
            await backend.run("m", WINDOW)

    serving(answer)(scenario)


def test_tensors_are_read_from_behind_the_head() -> None:
    async def scenario(backend: TritonBackend) -> None:
        found = await backend.run("m", WINDOW)
        assert found["y"].tolist() == [1.5, -2]

    serving(answered(HEAD + np.array([1.5, -2], dtype="<f4").tobytes(), len(HEAD)))(scenario)
