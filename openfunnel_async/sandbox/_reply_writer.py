"""Writes a reply to the connection of its request, as its delivery describes."""

import asyncio
from collections.abc import Mapping
from http.client import responses
from typing import assert_never

from aiohttp import web

from openfunnel_async.sandbox._service.deliveries import (
    Cut,
    Dropped,
    Garbled,
    Late,
    Paced,
    Padded,
    Whole,
    pack_gzip,
)
from openfunnel_async.sandbox._service.messages import SandboxReply
from openfunnel_async.sandbox._sockets import reset_on_close

_SMALLEST_COMPRESSED = 500


async def deliver(request: web.BaseRequest, reply: SandboxReply) -> web.StreamResponse:
    """Send a reply as its delivery describes.

    Returns:
        The response that aiohttp sends next. Nothing of it is sent if the connection
        was closed here or by the client.
    """
    try:
        return await _deliver(request, reply)
    except ConnectionError:
        return web.Response()


async def _deliver(request: web.BaseRequest, reply: SandboxReply) -> web.StreamResponse:
    delivery = reply.delivery
    match delivery:
        case Whole(dated=True):
            return _whole(request, reply)
        case Late():
            await asyncio.sleep(delivery.seconds)
            return _whole(request, reply)
        case Paced():
            return await _paced(request, _whole(request, reply), delivery)
        case Padded():
            return await _padded(request, reply, delivery)
        case Whole() | Dropped() | Cut() | Garbled():
            reset = isinstance(delivery, Dropped | Cut) and delivery.reset
            return await _end(
                request, _bytes_before_close(reply, delivery), reset=reset
            )
        case _ as never:
            assert_never(never)


def _whole(request: web.BaseRequest, reply: SandboxReply) -> web.Response:
    """Make aiohttp's response; a large body is compressed if the client accepts it."""
    headers, body = dict(reply.headers), reply.body
    accepted = request.headers.get("Accept-Encoding", "")
    if "gzip" in accepted and len(body) >= _SMALLEST_COMPRESSED:
        headers["content-encoding"] = "gzip"
        body = pack_gzip(body)
    response = web.Response(status=reply.status, headers=headers, body=body)
    for name, text in reply.repeated:
        response.headers.add(name, text)
    return response


async def _paced(
    request: web.BaseRequest, whole: web.Response, delivery: Paced
) -> web.StreamResponse:
    body = whole.body if isinstance(whole.body, bytes) else b""
    response = web.StreamResponse(status=whole.status, headers=whole.headers)
    response.content_length = len(body)
    await response.prepare(request)
    for start in range(0, len(body), delivery.chunk):
        if start:
            await asyncio.sleep(delivery.pause)
        await response.write(body[start : start + delivery.chunk])
    return response


async def _padded(
    request: web.BaseRequest, reply: SandboxReply, delivery: Padded
) -> web.StreamResponse:
    response = web.StreamResponse(status=reply.status, headers=reply.headers)
    for name, text in reply.repeated:
        response.headers.add(name, text)
    if delivery.gzip:
        response.headers["content-encoding"] = "gzip"
        response.enable_chunked_encoding()
    else:
        response.content_length = delivery.length(reply.body)
    await response.prepare(request)
    for piece in delivery.pieces(reply.body):
        if piece:
            await response.write(piece)
        # Compressing takes time, and a write that need not wait does not yield.
        await asyncio.sleep(0)
    return response


def _bytes_before_close(
    reply: SandboxReply, delivery: Whole | Dropped | Cut | Garbled
) -> bytes:
    """Return all bytes that are sent before the connection is closed."""
    match delivery:
        case Dropped():
            return b""
        case Garbled():
            return delivery.data
        case Whole():
            return _undated(reply)
        case Cut():
            return _cut(reply, delivery)
        case _ as never:
            assert_never(never)


def _cut(reply: SandboxReply, delivery: Cut) -> bytes:
    """Return the head and the sent part of the body."""
    kept, lost = delivery.parts(reply.body)
    headers: dict[str, str] = {}
    if delivery.gzip:
        headers["content-encoding"] = "gzip"
    if delivery.framed:
        headers["content-length"] = str(len(kept) + len(lost))
    return _head(reply, headers) + kept


def _undated(reply: SandboxReply) -> bytes:
    """Return a whole reply without the headers that the server would add."""
    return _head(reply, {"content-length": str(len(reply.body))}) + reply.body


def _head(reply: SandboxReply, headers: Mapping[str, str]) -> bytes:
    """Return the head of the last reply on a connection."""
    lines = [f"HTTP/1.1 {reply.status} {responses.get(reply.status, '')}"]
    pairs = (*reply.header_lines, ("connection", "close"), *headers.items())
    lines += [f"{name}: {text}" for name, text in pairs]
    return "\r\n".join([*lines, "", ""]).encode()


async def _end(
    request: web.BaseRequest, data: bytes, *, reset: bool
) -> web.StreamResponse:
    """Send bytes and close the connection without aiohttp."""
    transport = request.transport
    if transport is not None and data:
        # Without a buffer, drained means passed to the system. A reset would discard
        # the bytes that are still in the buffer.
        transport.set_write_buffer_limits(0)
        await request.writer.write(data)
        await request.writer.drain()
    if transport is not None and reset:
        reset_on_close(transport.get_extra_info("socket"))
        transport.abort()
    elif transport is not None:
        transport.close()
    return web.Response()
