"""Getting a key as a type checker sees it. Checked, never called."""

from typing import assert_type

from openfunnel_async import OpenFunnel, Transport
from openfunnel_async.agent_auth import AgentKey, sign_up, verify


async def of_an_address(email: str, code: str, transport: Transport) -> None:
    await sign_up(email)
    await sign_up(email, base_url="https://api.example", transport=transport)
    key = await verify(email, code, base_url=None, transport=None)
    assert_type(key, AgentKey)
    assert_type(key.email, str)
    assert_type(key.is_new_user, bool | None)
    OpenFunnel(key.api_key)
