"""``doctor``: check the address, the connection, the key and the credits."""

import os
import ssl
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import attrs
from anyio.streams.tls import TLSAttribute

from openfunnel_async import (
    BASE_URL_VARIABLE,
    CA_FILE_VARIABLE,
    KEY_VARIABLE,
    PROXY_VARIABLE,
)
from openfunnel_async.cli._env_file import is_private
from openfunnel_async.cli._interrupts import Interrupts, run_command
from openfunnel_async.cli._output.exit_codes import (
    CommandError,
    ExitCode,
    exit_code_of,
    worst_of,
)
from openfunnel_async.cli._output.printer import Printer
from openfunnel_async.cli._output.text import format_amount, one_line
from openfunnel_async.cli._settings import Account, ServiceFlags
from openfunnel_async.errors import APIError, OpenFunnelError, TransportError

_CONNECT_TIMEOUT = 10.0
_MARKS = {True: "✓", False: "✗", None: "·"}
_PLAIN_MARKS = {True: "ok", False: "NO", None: "--"}
_WIDTH = 12
_NAMES_OF_FLAGS = {"--base-url": "address", "--proxy": "proxy", "--ca-file": "CA file"}
_FOREIGN_VARIABLES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
"""Variables that name a proxy to other programs."""


@attrs.frozen(kw_only=True)
class Check:
    """The result of one check.

    Attributes:
        name: What was checked.
        ok: Whether it is as it should be; None if it could not be checked.
        found: What was found.
        advice: What to do about it.
        code: The exit code that it causes.
    """

    name: str
    ok: bool | None
    found: str
    advice: str | None = None
    code: ExitCode = ExitCode.OK


def check_setup(*, service: ServiceFlags = ServiceFlags()) -> ExitCode:  # noqa: B008 -- frozen
    """Check the address, the network, TLS, the key and the credits.

    Free: it connects without the key, and then, if there is a key, reads the balance.
    """
    return run_command(partial(_check_setup, service, Printer(json=service.json)))


async def _check_setup(
    service: ServiceFlags, printer: Printer, interrupts: Interrupts
) -> ExitCode:
    code = await interrupts.run(partial(_run_checks, service, printer))
    return interrupts.code if code is None else code


async def _run_checks(service: ServiceFlags, printer: Printer) -> ExitCode:
    done: list[Check] = []

    def report(*checks: Check) -> None:
        for check in checks:
            done.append(check)
            _print_check(printer, check)

    origin, account = _find_account(service, report)
    if origin is not None:
        report(*_check_proxy(service))
        connection = await _check_connection(origin, service)
        report(*connection)
        if account and all(check.ok is not False for check in connection):
            report(*await _check_account(account))
    return worst_of(check.code for check in done)


def _find_account(
    service: ServiceFlags, report: Callable[..., None]
) -> tuple[str | None, Account | None]:
    """Report on address and key; return both, as far as they were found."""
    try:
        account = service.find_account()
    except CommandError as error:
        name = _NAMES_OF_FLAGS.get(error.text.partition(" ")[0], "key found")
        failure = Check(name=name, ok=False, found=error.text, code=error.code)
        if error.code is not ExitCode.KEY:
            report(failure)
            return None, None
        # The address and the network can be checked without a key.
        origin = service.find_origin()
        report(_check_address(origin), failure)
        return origin, None
    report(_check_address(account.origin), _check_key_file(account))
    return account.origin, account


def _print_check(printer: Printer, check: Check) -> None:
    mark = _marks()[check.ok]
    advice = "" if check.advice is None else f"\n{'':{_WIDTH + 3}}-> {check.advice}"
    printer.print_result(
        "check",
        f"{mark:<2} {check.name:<{_WIDTH}}{check.found}{advice}",
        check=check.name,
        ok=check.ok,
        found=check.found,
        advice=check.advice,
    )


def _marks() -> dict[bool | None, str]:
    try:
        "✓✗".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return _PLAIN_MARKS
    return _MARKS


def _check_address(origin: str) -> Check:
    return Check(name="address", ok=True, found=origin)


def _check_proxy(service: ServiceFlags) -> list[Check]:
    """Report which proxy is used, or that another program's variable is not."""
    proxy = service.effective_proxy
    if proxy is not None:
        host, port = _split_proxy(proxy)
        return [Check(name="proxy", ok=True, found=f"{host} port {port}")]
    unused = [name for name in _FOREIGN_VARIABLES if os.environ.get(name)]
    if not unused:
        return []
    return [
        Check(
            name="proxy",
            ok=None,
            found=f"none; {unused[0]} is set and not used",
            advice=f'to use it: export {PROXY_VARIABLE}="${unused[0]}", or --proxy',
        )
    ]


def _split_proxy(proxy: str) -> tuple[str, int]:
    """Return host and port, without the credentials."""
    parts = urlsplit(proxy)
    default = 443 if parts.scheme == "https" else 80
    return parts.hostname or "", parts.port or default


def _check_key_file(account: Account) -> Check:
    path = Path(account.source)
    if path.is_file() and not is_private(path):
        return Check(
            name="key found",
            ok=False,
            found=f"in {path}, which others on this machine can read",
            advice=f"chmod 600 {path}",
            code=ExitCode.KEY,
        )
    return Check(name="key found", ok=True, found=f"in {account.source}")


async def _check_connection(origin: str, service: ServiceFlags) -> list[Check]:
    """Connect as the client would, to the proxy if there is one, but send nothing."""
    parts = urlsplit(origin)
    is_tls = parts.scheme == "https"
    host, port = parts.hostname or "", parts.port or (443 if is_tls else 80)
    proxy = service.effective_proxy
    if proxy is not None:
        host, port = _split_proxy(proxy)
    try:
        with anyio.fail_after(_CONNECT_TIMEOUT):
            stream = await anyio.connect_tcp(host, port)
            async with stream:
                pass
    except (OSError, TimeoutError) as error:
        return [_explain_unreachable(host, port, error)]
    reached = Check(name="reachable", ok=True, found=f"{host} port {port}")
    if not is_tls:
        found = "not used: the address has http"
        return [reached, Check(name="TLS", ok=None, found=found)]
    if proxy is not None:
        found = "not checked on its own behind a proxy; the key's check uses it"
        return [reached, Check(name="TLS", ok=None, found=found)]
    return [reached, await _check_tls(host, port, service.effective_ca_file)]


def _explain_unreachable(host: str, port: int, error: OSError) -> Check:
    reason = error.strerror or "no answer" if str(error) else "no answer"
    return Check(
        name="reachable",
        ok=False,
        found=one_line(f"{host} port {port}: {reason}"),
        advice=f"check the network, --base-url or {BASE_URL_VARIABLE}, and --proxy or "
        f"{PROXY_VARIABLE}",
        code=ExitCode.FAILED,
    )


async def _check_tls(host: str, port: int, ca_file: Path | None) -> Check:
    try:
        with anyio.fail_after(_CONNECT_TIMEOUT):
            context = ssl.create_default_context()
            if ca_file is not None:
                context.load_verify_locations(cafile=ca_file)
            stream = await anyio.connect_tcp(
                host, port, tls=True, ssl_context=context, tls_standard_compatible=False
            )
            async with stream:
                version = stream.extra(TLSAttribute.tls_version)  # noqa: S610 -- no Django
                certificate = stream.extra(TLSAttribute.peer_certificate)  # noqa: S610 -- no Django
    except ssl.SSLCertVerificationError as error:
        found = f"the certificate is not trusted: {one_line(error.verify_message)}"
        advice = (
            "do not send a key there; check the address and this machine's clock. In a "
            f"company network: --ca-file or {CA_FILE_VARIABLE}"
        )
        return _tls_failure(found, advice)
    except (OSError, anyio.BrokenResourceError):
        found = "the handshake failed"
        advice = "is this really an https port?"
        return _tls_failure(found, advice)
    end = one_line(str((certificate or {}).get("notAfter", "an unknown date")))
    return Check(name="TLS", ok=True, found=f"{version}, trusted, valid until {end}")


async def _check_account(account: Account) -> list[Check]:
    """Read the balance, which is free."""
    try:
        async with account.open_client() as client:
            balance = await client.credit_balance()
    except OpenFunnelError as error:
        return [_explain_refusal(error)]
    left, total = balance.credits_left, format_amount(balance.total_credits)
    return [
        Check(name="key", ok=True, found="accepted"),
        Check(
            name="credits",
            ok=left > 0,
            found=f"{format_amount(left)} left of {total}",
            advice=None if left > 0 else "buy credits before you submit",
            code=ExitCode.OK if left > 0 else ExitCode.BUDGET,
        ),
    ]


def _tls_failure(found: str, advice: str) -> Check:
    code = ExitCode.FAILED
    return Check(name="TLS", ok=False, found=found, advice=advice, code=code)


def _explain_refusal(error: OpenFunnelError) -> Check:
    code = exit_code_of(error)
    if code is ExitCode.KEY:
        found, advice = "not accepted", f"check {KEY_VARIABLE}, or sign up again"
        return Check(name="key", ok=False, found=found, advice=advice, code=code)
    advice = "try again later"
    if isinstance(error, APIError) and not isinstance(error, TransportError):
        advice = "check --base-url: is this OpenFunnel?"
    return Check(
        name="key", ok=None, found=one_line(str(error)), advice=advice, code=code
    )
