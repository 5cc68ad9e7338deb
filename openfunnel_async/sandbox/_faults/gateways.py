"""Faults that answer as a gateway or a login page would.

Between a client and the service there can be a load balancer, an ingress or a captive
portal. Their answers have another content type, Server header and body, and are not
JSON.
"""

from http.client import responses

import attrs
from attrs import validators

from openfunnel_async.sandbox._faults.answers import RetryAfter, with_retry_after
from openfunnel_async.sandbox._service.fault import Exchange, TargetedFault
from openfunnel_async.sandbox._service.messages import SandboxReply

_HTML = "text/html; charset=utf-8"
_TEXT = "text/plain; charset=utf-8"
# RFC 9110, 11.6.1 and 11.7.1: these answers must name a scheme.
_CHALLENGES = {401: "www-authenticate", 407: "proxy-authenticate"}
_LOGIN_PAGE = """\
<!DOCTYPE html>
<html>
<head><title>Welcome to our Wi-Fi</title></head>
<body>
<h1>Please log in to use this network</h1>
<form method="post" action="/login">
<input name="room"><input name="password" type="password">
<button>Connect</button>
</form>
</body>
</html>
"""


@attrs.frozen(kw_only=True)
class GatewayPage(TargetedFault):
    """Answers with an error page of a gateway.

    A 401 or 407 has the header that names its scheme, as HTTP requires.

    Attributes:
        status: The status code.
        server: The Server header; also the last line of the page.
        text: A line that is sent as ``text/plain`` instead of the HTML page, such as
            ``default backend - 404``; None for the HTML page.
        retry_after: The Retry-After header, in the form of `StatusFault`.
        processed: Whether the request takes effect behind the gateway, as with a 504
            that is sent while the service is still working.
    """

    __module__ = "openfunnel_async.sandbox"

    status: int = attrs.field(
        default=502, validator=[validators.ge(200), validators.le(599)]
    )
    server: str = "nginx"
    text: str | None = None
    retry_after: RetryAfter = None
    processed: bool = False

    def answer(self, exchange: Exchange) -> SandboxReply:
        """Answer with the page."""
        if self.processed:
            exchange.serve()
        html = _page(self.status, self.server)
        page = html if self.text is None else self.text
        headers = {
            "content-type": _HTML if self.text is None else _TEXT,
            "server": self.server,
        }
        if self.status in _CHALLENGES:
            headers[_CHALLENGES[self.status]] = 'Basic realm="gateway"'
        reply = SandboxReply(status=self.status, headers=headers, body=page.encode())
        return with_retry_after(reply, self.retry_after)


@attrs.frozen(kw_only=True)
class LoginPage(TargetedFault):
    """Answers 200 with the HTML page of a captive portal.

    The request takes no effect. For a portal that redirects first see `Redirect`.

    Attributes:
        server: The Server header.
    """

    __module__ = "openfunnel_async.sandbox"

    server: str = "captive-portal"

    def answer(self, exchange: Exchange) -> SandboxReply:  # noqa: ARG002 -- not served
        """Answer with the page."""
        headers = {"content-type": _HTML, "server": self.server}
        return SandboxReply(status=200, headers=headers, body=_LOGIN_PAGE.encode())


@attrs.frozen(kw_only=True)
class EmptyAnswer(TargetedFault):
    """Answers with a 2xx status and no body.

    If the request is not processed, such an answer to a cancel is false: the job
    continues and is billed.

    Attributes:
        status: The status code.
        processed: Whether the request takes effect.
    """

    __module__ = "openfunnel_async.sandbox"

    status: int = attrs.field(
        default=200, validator=[validators.ge(200), validators.le(299)]
    )
    processed: bool = False

    def answer(self, exchange: Exchange) -> SandboxReply:
        """Serve or not, and answer without a body."""
        if self.processed:
            exchange.serve()
        return SandboxReply(status=self.status)


def _page(status: int, server: str) -> str:
    """Return an error page in the form that nginx writes."""
    title = f"{status} {responses.get(status, '')}".strip()
    lines = (
        "<html>",
        f"<head><title>{title}</title></head>",
        "<body>",
        f"<center><h1>{title}</h1></center>",
        f"<hr><center>{server}</center>",
        "</body>",
        "</html>",
    )
    return "".join(f"{line}\r\n" for line in lines)
