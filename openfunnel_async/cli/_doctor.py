"""``doctor``: is the service there, is it the service, and does it know the key."""

import ssl
import sys
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import attrs
from anyio.streams.tls import TLSAttribute

from openfunnel_async._client.settings import BASE_URL_VARIABLE, KEY_VARIABLE
from openfunnel_async.cli._ctrl_c import Interrupts, play
from openfunnel_async.cli._env_file import is_private
from openfunnel_async.cli._exits import CommandError, Exit, exit_of, worst
from openfunnel_async.cli._say import Voice, amount, one_line
from openfunnel_async.cli._settings import Account, Service
from openfunnel_async.errors import APIError, OpenFunnelError, TransportError

_CONNECT_WITHIN = 10.0
_MARKS = {True: "✓", False: "✗", None: "·"}
_PLAIN_MARKS = {True: "ok", False: "NO", None: "--"}
_WIDTH = 12


@attrs.frozen(kw_only=True)
class Check:
    """One thing that was looked into.

    Attributes:
        name: What.
        ok: How it is; None if it could not be looked into.
        found: What was found.
        advice: What to do about it.
        code: What it means for the exit code.
    """

    name: str
    ok: bool | None
    found: str
    advice: str | None = None
    code: Exit = Exit.OK


def doctor(*, service: Service = Service()) -> Exit:  # noqa: B008 -- frozen
    """Look into what may be wrong with the address, TLS, the key and the credits.

    Free: it connects without the key, and then asks for the balance.
    """
    return play(partial(_doctor, service, Voice(json=service.json)))


async def _doctor(service: Service, voice: Voice, interrupts: Interrupts) -> Exit:
    code = await interrupts.until(partial(_examine, service, voice))
    return interrupts.code if code is None else code


async def _examine(service: Service, voice: Voice) -> Exit:
    seen: list[Check] = []

    def tell(*checks: Check) -> None:
        for check in checks:
            seen.append(check)
            _tell(voice, check)

    try:
        account = service.account()
    except CommandError as error:
        place = "address" if error.text.startswith("--base-url") else "key found"
        tell(Check(name=place, ok=False, found=error.text, code=error.code))
        return error.code
    tell(_address(account), _key_found(account))
    connected = await _connection(account.origin)
    tell(*connected)
    if all(check.ok is not False for check in connected):
        tell(*await _account(account))
    return worst(check.code for check in seen)


def _tell(voice: Voice, check: Check) -> None:
    mark = _marks()[check.ok]
    advice = "" if check.advice is None else f"\n{'':{_WIDTH + 3}}-> {check.advice}"
    voice.result(
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


def _address(account: Account) -> Check:
    return Check(name="address", ok=True, found=account.origin)


def _key_found(account: Account) -> Check:
    path = Path(account.source)
    if path.is_file() and not is_private(path):
        return Check(
            name="key found",
            ok=False,
            found=f"in {path}, which others on this machine can read",
            advice=f"chmod 600 {path}",
            code=Exit.KEY,
        )
    return Check(name="key found", ok=True, found=f"in {account.source}")


async def _connection(origin: str) -> list[Check]:
    """Connect as the client would, but send nothing."""
    parts = urlsplit(origin)
    is_tls = parts.scheme == "https"
    host, port = parts.hostname or "", parts.port or (443 if is_tls else 80)
    try:
        with anyio.fail_after(_CONNECT_WITHIN):
            stream = await anyio.connect_tcp(host, port)
            async with stream:
                pass
    except (OSError, TimeoutError) as error:
        return [_unreachable(host, port, error)]
    reached = Check(name="reachable", ok=True, found=f"{host} port {port}")
    if not is_tls:
        found = "not used: the address is this very machine"
        return [reached, Check(name="TLS", ok=None, found=found)]
    return [reached, await _tls(host, port)]


def _unreachable(host: str, port: int, error: OSError) -> Check:
    reason = error.strerror or "no answer" if str(error) else "no answer"
    return Check(
        name="reachable",
        ok=False,
        found=one_line(f"{host} port {port}: {reason}"),
        advice=f"check the network, and --base-url or {BASE_URL_VARIABLE}",
        code=Exit.FAILED,
    )


async def _tls(host: str, port: int) -> Check:
    try:
        with anyio.fail_after(_CONNECT_WITHIN):
            context = ssl.create_default_context()
            stream = await anyio.connect_tcp(
                host, port, tls=True, ssl_context=context, tls_standard_compatible=False
            )
            async with stream:
                version = stream.extra(TLSAttribute.tls_version)  # noqa: S610 -- no Django
                certificate = stream.extra(TLSAttribute.peer_certificate)  # noqa: S610 -- no Django
    except ssl.SSLCertVerificationError as error:
        found = f"the certificate is not trusted: {one_line(error.verify_message)}"
        advice = "do not send the key there; check the address and this machine's clock"
        return Check(name="TLS", ok=False, found=found, advice=advice, code=Exit.FAILED)
    except (OSError, anyio.BrokenResourceError):
        found = "the handshake failed"
        advice = "is this really an https port?"
        return Check(name="TLS", ok=False, found=found, advice=advice, code=Exit.FAILED)
    until = one_line(str((certificate or {}).get("notAfter", "an unknown day")))
    return Check(name="TLS", ok=True, found=f"{version}, trusted, valid until {until}")


async def _account(account: Account) -> list[Check]:
    """Ask for the balance, which is free."""
    try:
        async with account.client() as client:
            balance = await client.credit_balance()
    except OpenFunnelError as error:
        return [_refused(error)]
    left = balance.credits_left
    return [
        Check(name="key", ok=True, found="accepted"),
        Check(
            name="credits",
            ok=left > 0,
            found=f"{amount(left)} left of {amount(balance.total_credits)}",
            advice=None if left > 0 else "buy some before you submit",
            code=Exit.OK if left > 0 else Exit.BUDGET,
        ),
    ]


def _refused(error: OpenFunnelError) -> Check:
    code = exit_of(error)
    if code is Exit.KEY:
        found, advice = "not accepted", f"check {KEY_VARIABLE}, or sign up again"
        return Check(name="key", ok=False, found=found, advice=advice, code=code)
    advice = "try again a little later"
    if isinstance(error, APIError) and not isinstance(error, TransportError):
        advice = "check --base-url: is this OpenFunnel?"
    return Check(
        name="key", ok=None, found=one_line(str(error)), advice=advice, code=code
    )
