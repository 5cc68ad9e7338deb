"""``python -m openfunnel_async.sandbox`` runs a local OpenFunnel until Ctrl-C."""

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
        The exit code: 0, or 1 when it cannot listen on the port.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.api_key and not options.host.is_loopback:
        parser.error("argument --api-key: --host is only accepted with the made-up key")
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
    """The port is in use, or this user is not allowed to use it."""


async def serve(sandbox: Sandbox, listening: Callable[[], object]) -> None:
    """Run a sandbox until SIGINT or SIGTERM.

    Args:
        sandbox: A sandbox that is not running yet.
        listening: Called when it has started to listen.

    Raises:
        CannotListenError: It cannot listen; the message is a sentence for people.

    Cancellation: stops the sandbox.
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
    """Return the line that shows a sign-up code, which no email brings."""
    # An address can be any text; it must not send control codes to the terminal.
    shown = "".join(char if char.isprintable() else "?" for char in email)
    return f"The code for {shown} is {code}\n"


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def welcome(sandbox: Sandbox) -> str:
    """Return the text that explains where the sandbox listens and how to use it."""
    return f"""\
A local OpenFunnel listens on {sandbox.base_url}
{_describe_host(sandbox.host)}Its key is {sandbox.api_key}

Paste this into the shell where your program runs:

  export OPENFUNNEL_BASE_URL={sandbox.base_url}
  export OPENFUNNEL_API_KEY={sandbox.api_key}

{_describe_speed(sandbox.speed)}
Press Ctrl-C to stop it.
"""


def _describe_host(host: str) -> str:
    if ip_address(host).is_loopback:
        return ""
    return f"It listens on {host} (--host): other machines may be able to connect.\n"


def _describe_speed(speed: float) -> str:
    if speed == 0:
        return "Sandbox time is stopped (--speed 0): jobs stay pending."
    page = 18 / speed
    return (
        f"Sandbox time runs {speed:g} times as fast as real time (--speed): a page of"
        f" 100 rows is written about every {page:.2g} s."
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
        " published on 127.0.0.1; the traffic is plain HTTP, so this is only accepted"
        " with the made-up key (default: 127.0.0.1)",
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=8787,
        help="0 chooses a free one (default: 8787)",
    )
    parser.add_argument(
        "--speed",
        type=_amount,
        default=10.0,
        help="sandbox seconds per real second (default: 10; the real service has 1)",
    )
    parser.add_argument(
        "--seed",
        default="openfunnel",
        help="determines the companies, the ids and the key",
    )
    parser.add_argument(
        "--credits",
        type=_credits,
        default=50_000.0,
        help="credits at the start; may be below 0",
    )
    parser.add_argument(
        "--rows",
        choices=("six", "sixteen"),
        default="sixteen",
        help="keys in each row (default: sixteen)",
    )
    parser.add_argument(
        "--api-key", help="the key to accept (default: made from the seed)"
    )
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
