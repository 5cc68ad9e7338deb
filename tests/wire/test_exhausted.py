"""A process without file descriptors or threads: nothing was sent, and it is known."""

import asyncio
import concurrent.futures
import subprocess
import sys
import threading
from typing import NoReturn

import aiohttp
import pytest

from openfunnel_async import AiohttpTransport, TransportError
from tests.support.raw_server import RawServer, said
from tests.wire import exhausted
from tests.wire.clients import JOB_ID, KEY, SEARCH, SUBMITTED, client_of

pytestmark = pytest.mark.anyio
SUBMIT = said(SUBMITTED)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_without_descriptors_nothing_was_sent(host: str) -> None:
    """Caught: an exhausted process whose submit "may be running and billing"."""
    async with RawServer(SUBMIT, SUBMIT) as server:
        address = f"http://{host}:{server.port}"
        child = await asyncio.create_subprocess_exec(
            sys.executable, exhausted.__file__, address, stdout=subprocess.PIPE
        )
        out, _ = await child.communicate()
        received = len(server.received)
    failed, job_id = out.decode().splitlines()
    assert failed.startswith("False ")
    assert host != "127.0.0.1" or "(Too many open files)" in failed
    assert (job_id, received) == (JOB_ID, 1)


def no_thread(_self: threading.Thread) -> NoReturn:
    raise RuntimeError("can't start new thread")


@pytest.mark.parametrize("session", ["own", "users", "users, environment"])
async def test_without_a_thread_for_the_resolver_nothing_was_sent(
    session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Caught: a RuntimeError out of `submit`; one that counts as sent."""
    loop = asyncio.get_running_loop()
    # A loop that has resolved a name before has a thread at hand.
    loop.set_default_executor(concurrent.futures.ThreadPoolExecutor(1))
    users = None
    if session != "own":
        users = aiohttp.ClientSession(trust_env="environment" in session)
    async with RawServer(SUBMIT) as server:
        address = f"http://localhost:{server.port}"
        transport = AiohttpTransport(users)
        async with client_of(address, KEY, transport=transport) as client:
            with monkeypatch.context() as patch:
                patch.setattr(threading.Thread, "start", no_thread)
                with pytest.raises(TransportError, match="new thread") as caught:
                    await client.submit(SEARCH)
            assert not caught.value.request_sent
            assert (await client.submit(SEARCH)).id == JOB_ID
        assert len(server.received) == 1
    if users is not None:
        await users.close()
    await loop.shutdown_default_executor()
    loop.set_default_executor(concurrent.futures.ThreadPoolExecutor(1))
