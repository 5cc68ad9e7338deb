"""Who a company is: its LinkedIn page, else its domain.

LinkedIn pages do not repeat in recorded results, and domains do, so two companies that
share a domain and have different pages are two. A list from elsewhere may have domains
alone; such a company is taken for any company of that domain.

A mark is one line of text that every database can hold, whatever the service sent: a
row is paid for, so it is stored all the same.
"""

import re
import unicodedata
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from openfunnel_async._text import escaped
from openfunnel_async._values.models import Company

_PAGE = re.compile(r"/(company|school|showcase|in)/([^/]+)", re.IGNORECASE)
_LINKEDIN = re.compile(r"([a-z]{2,3}\.)?linkedin\.com", re.IGNORECASE)
_LONGEST = 300
# Most rows have both in this form, which takes a tenth of the time.
_match_plain_page = re.compile(
    r"https://www\.linkedin\.com/(company/[a-z0-9-]{1,290})/?"
).fullmatch
_match_plain_domain = re.compile(
    r"(?!www\.|xn--)(?:[a-z0-9-]{1,63}\.){1,5}[a-z0-9-]{1,63}"
).fullmatch


class Identity(NamedTuple):
    """The marks of a company.

    Attributes:
        page: Its LinkedIn page, for example ``company/acme``; None without one.
        domain: Its domain, for example ``acme.com``; None without one.
    """

    page: str | None
    domain: str | None

    @property
    def name(self) -> str | None:
        """The mark by which the company is stored."""
        if self.page is not None:
            return f"p:{self.page}"
        return None if self.domain is None else f"d:{self.domain}"

    @property
    def marks(self) -> tuple[str, ...]:
        """The marks to store: the name, and the domain of a company with a page."""
        if self.page is not None and self.domain is not None:
            return (f"p:{self.page}", f"a:{self.domain}")
        return () if self.name is None else (self.name,)

    @property
    def lookups(self) -> tuple[str, ...]:
        """The marks of which one suffices to know the company, its name first."""
        page, domain = self
        if page is None:
            return () if domain is None else (f"d:{domain}", f"a:{domain}")
        return (f"p:{page}",) if domain is None else (f"p:{page}", f"d:{domain}")


def identify(company: Company) -> Identity:
    """Return the marks of a company."""
    return make_identity(company.linkedin_url, company.domain)


def make_identity(linkedin_url: str | None, domain: str | None) -> Identity:
    """Return the marks of a company by its page and its domain."""
    return Identity(normalise_page(linkedin_url), normalise_domain(domain))


def normalise_page(url: str | None) -> str | None:
    """Return what the addresses of one LinkedIn page have in common.

    Scheme, host (``www.``, ``de.``), case, percent-encoding, a trailing slash and what
    comes behind the name make no difference.
    """
    if not url:
        return None
    plain = _match_plain_page(url)
    if plain is not None:
        return plain[1]
    text = url.strip()
    try:
        parts = urlsplit(text if "//" in text else f"//{text}")
        host = parts.hostname or ""
    except ValueError:
        return None
    match = _PAGE.match(parts.path)
    if match is None or not _LINKEDIN.fullmatch(host.removeprefix("www.")):
        return None
    name = unicodedata.normalize("NFC", unquote(match[2])).casefold().strip()
    return escaped(f"{match[1].lower()}/{name}", _LONGEST) if name else None


def normalise_domain(domain: str | None) -> str | None:
    """Return a domain without scheme, path, port, ``www.`` and case, in ASCII."""
    if not domain:
        return None
    if _match_plain_domain(domain):
        return domain
    text = domain.strip().rstrip(".")
    try:
        host = urlsplit(text if "//" in text else f"//{text}").hostname
    except ValueError:
        return None
    host = (host or "").rstrip(".").removeprefix("www.")
    if not host or " " in host or "." not in host:
        return None
    try:
        name = host.encode("idna").decode("ascii").lower()
    except UnicodeError:
        name = host.casefold()
    return escaped(name, _LONGEST)
