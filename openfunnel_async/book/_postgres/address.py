"""The address of a database: whether it is valid, and its text without passwords."""

from collections.abc import Mapping
from urllib.parse import quote, urlencode

from psycopg.conninfo import conninfo_to_dict

_SECRETS = frozenset(["password", "sslpassword"])
_SEVERAL = frozenset("/,@")


def has_stray_password(parts: Mapping[str, object]) -> bool:
    """Whether a piece of a password was taken for the host, the port or the name.

    That is what becomes of ``/`` and ``@`` in a password, and host, port and name are
    printed.
    """
    host, port, name = (str(parts.get(key) or "") for key in ("host", "port", "dbname"))
    is_number = all(one.isdecimal() for one in port.split(",") if one)
    return "@" in host or "@" in name or not is_number


def format_address(url: str) -> str:
    """Return an address that leads to the same database, without its passwords."""
    parts = {
        key: str(value)
        for key, value in conninfo_to_dict(url).items()
        if key not in _SECRETS
    }
    user, name = parts.pop("user", ""), parts.pop("dbname", "")
    host, port = parts.get("host", ""), parts.get("port", "")
    where = ""
    if not _SEVERAL & {*host, *port}:
        where = f"[{host}]" if ":" in host else host
        where += f":{port}" if port else ""
        parts.pop("host", None)
        parts.pop("port", None)
    before = f"{quote(user, safe='')}@" if user else ""
    after = f"?{urlencode(parts, quote_via=quote)}" if parts else ""
    return f"postgresql://{before}{where}/{quote(name, safe='')}{after}"
