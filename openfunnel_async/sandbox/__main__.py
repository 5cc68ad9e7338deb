"""``python -m openfunnel_async.sandbox``: a local OpenFunnel until Ctrl-C."""

import argparse
import math
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from ipaddress import ip_address

import anyio

from openfunnel_async.sandbox._server import Sandbox
from openfunnel_async.sandbox._sockets import HOST

CANNOT_LISTEN = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the sandbox until SIGINT or SIGTERM.

    Returns:
        The exit code: 0, or 1 when the port is taken.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.api_key and not options.host.is_loopback:
        parser.error("argument --api-key: --host only goes with the made-up key")
    sandbox = Sandbox(
        host=str(options.host),
        port=options.port,
        speed=options.speed,
        seed=options.seed,
        api_key=options.api_key,
        credits=options.credits,
        row_shape=options.rows,
        code_sent=lambda email, code: _print(code_line(email, code)),
    )
    try:
        anyio.run(serve, sandbox, lambda: _print(welcome(sandbox)))
    except CannotListenError as error:
        sys.stderr.write(f"{error}\n")
        return CANNOT_LISTEN
    return 0


class CannotListenError(Exception):
    """The port is taken, or this user may not have it."""


async def serve(sandbox: Sandbox, listening: Callable[[], object]) -> None:
    """Run a sandbox until SIGINT or SIGTERM.

    Args:
        sandbox: One that does not run yet.
        listening: Called once it does.

    Raises:
        CannotListenError: In a sentence.

    Cancellation: ends the sandbox.
    """
    stops = (signal.SIGINT, signal.SIGTERM)
    async with AsyncExitStack() as stack:
        signals = stack.enter_context(anyio.open_signal_receiver(*stops))
        try:
            await stack.enter_async_context(sandbox)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            msg = f"cannot listen on {sandbox.host}:{sandbox.port}: {reason}"
            raise CannotListenError(msg) from None
        listening()
        await anext(aiter(signals))


def code_line(email: str, code: str) -> str:
    """Return a sign-up code, as a mail would."""
    # An address may be any text, and must not move the terminal's cursor.
    shown = "".join(sign if sign.isprintable() else "?" for sign in email)
    return f"The code for {shown} is {code}\n"


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def welcome(sandbox: Sandbox) -> str:
    """Return where the sandbox listens, and how to use it."""
    return f"""\
A local OpenFunnel listens on {sandbox.base_url}
{_reach(sandbox.host)}Its key is {sandbox.api_key}

Paste this into the shell where your program runs:

  export OPENFUNNEL_BASE_URL={sandbox.base_url}
  export OPENFUNNEL_API_KEY={sandbox.api_key}

{_pace(sandbox.speed)}
Ctrl-C ends it.
"""


def _describe_host(host: str) -> str:
    if ip_address(host).is_loopback:
        return ""
    return f"It listens on {host} (--host): other machines may reach it.\n"


def _describe_speed(speed: float) -> str:
    if speed == 0:
        return "Time stands still here (--speed 0): jobs stay pending."
    page = 18 / speed
    return (
        f"Time runs {speed:g} times as fast as outside (--speed): a page of 100 rows"
        f" comes about every {page:.2g} s."
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m openfunnel_async.sandbox",
        description="Run a local OpenFunnel with made-up companies, for free.",
    )
    parser.add_argument(
        "--host",
        type=ip_address,
        default=HOST,
        help="the address to listen on, such as 0.0.0.0 in a container whose port is"
        " published on 127.0.0.1; plain HTTP, so only with the made-up key, never"
        " a real one (default: 127.0.0.1)",
    )
    parser.add_argument(
        "--port", type=_port, default=8787, help="0 takes a free one (default: 8787)"
    )
    parser.add_argument(
        "--speed",
        type=_amount,
        default=10.0,
        help="sandbox seconds to a second (default: 10; the real service is at 1)",
    )
    parser.add_argument(
        "--seed", default="openfunnel", help="other companies, ids and key"
    )
    parser.add_argument(
        "--credits",
        type=_credits,
        default=50_000.0,
        help="to begin with; may be below 0",
    )
    parser.add_argument(
        "--rows",
        choices=("six", "sixteen"),
        default="sixteen",
        help="keys a row (default: sixteen)",
    )
    parser.add_argument("--api-key", help="the key to take (default: made of the seed)")
    return parser


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65_535:
        raise ValueError(text)
    return port


def _credits(text: str) -> float:
    amount = float(text)
    if not math.isfinite(amount):
        raise ValueError(text)
    return amount


def _amount(text: str) -> float:
    amount = _credits(text)
    if amount < 0:
        raise ValueError(text)
    return amount


if __name__ == "__main__":
    sys.exit(main())
