"""Keep a client on the event loop it was first used on.

Connections, timers and tasks belong to one loop. On another one they fail late and in
words of asyncio, or wait for ever, so the first use decides and any other is refused.
"""

import asyncio
import os
import threading

import anyio

from openfunnel_async.errors import ConfigurationError

_REMEDY = (
    "make one client for each event loop, inside the coroutine that asyncio.run() runs"
)


class LoopGuard:
    """Remember the loop and the process in which a client was first used."""

    __slots__ = ("_binding", "_loop", "_process")

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process = 0
        self._binding = threading.Lock()

    def check(self) -> None:
        """Return if the client may be used here; the first use decides.

        Raises:
            ConfigurationError: Another event loop, another process, or none of
                asyncio's loops is running. Nothing was sent.
        """
        first = self._loop
        self._compare(self._bind() if first is None else first)

    def _bind(self) -> asyncio.AbstractEventLoop:
        """Take the running loop, unless another thread was first in this moment."""
        running = _running_loop()
        _load_what_is_needed_later()
        with self._binding:
            if self._loop is None:
                self._loop, self._process = running, os.getpid()
            return self._loop

    def check_if_used(self) -> None:
        """Check a client that was used; one that never was may be used here later.

        Raises:
            ConfigurationError: As ``check()``.
        """
        if self._loop is None:
            _running_loop()
        else:
            self._compare(self._loop)

    def _compare(self, first: asyncio.AbstractEventLoop) -> None:
        # First of all, because no loop runs in a process that a coroutine has forked.
        if os.getpid() != self._process:
            raise ConfigurationError(self._refusal(first))
        try:
            if asyncio.get_running_loop() is first:
                return
        except RuntimeError:
            _running_loop()
        raise ConfigurationError(self._refusal(first))

    def _refusal(self, first: asyncio.AbstractEventLoop) -> str:
        if os.getpid() != self._process:
            where = "in another process, from which this one was forked"
        elif first.is_closed():
            where = "on another event loop, which is closed by now"
        else:
            where = "on another event loop"
        return f"this client was first used {where}; nothing was sent: {_REMEDY}"


def _load_what_is_needed_later() -> None:
    """Have anyio import its backend now, before anything can be sent.

    It does so when first used. Without a free file descriptor, or with the environment
    replaced under the process, that import fails; between a submit's answer and its
    handle it would cost the job.

    Raises:
        ConfigurationError: It fails now. Nothing was sent.
    """
    try:
        anyio.current_time()
    except (ImportError, OSError) as exc:
        msg = (
            f"anyio could not be loaded ({type(exc).__name__}: {exc}); nothing was "
            "sent: free file descriptors or repair the environment, and call again"
        )
        raise ConfigurationError(msg) from None


def _running_loop() -> asyncio.AbstractEventLoop:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        msg = (
            "openfunnel_async runs on asyncio, and no asyncio event loop runs here; "
            "instead of trio use anyio's asyncio backend. Nothing was sent"
        )
        raise ConfigurationError(msg) from None
