"""Two network namespaces joined by a veth pair, and a NAT change between them.

The client runs in ``near`` and the service in ``far``. The two addresses are loopback
addresses, because the client accepts http only there. But ``lo`` is down in both
namespaces and the veth pair carries the addresses, so every packet crosses it.

What a NAT or VPN change does is done in ``far``: each new connection gets the mark of
the present generation. `Network.change` begins the next generation and drops, in
both directions and without an answer, every packet of the connections that have the
old mark. New connections work at once.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
from collections.abc import Generator
from pathlib import Path

import attrs

__all__ = ["SERVICE_HOST", "Network", "missing", "network", "remove_leftovers"]

SERVICE_HOST = "127.0.0.1"
_CLIENT_HOST = "127.0.0.2"
_PREFIX = "openfunnel-test"
_TOOLS = {
    "ip": "iproute2",
    "ss": "iproute2",
    "iptables": "iptables",
    "iptables-restore": "iptables",
}
_MARKS = """\
*mangle
-A PREROUTING -p tcp -m conntrack --ctstate NEW -j CONNMARK --set-mark 1
COMMIT
"""
# One commit: there is no moment at which a new connection gets the old mark.
_CHANGE = """\
*mangle
-R PREROUTING 1 -p tcp -m conntrack --ctstate NEW -j CONNMARK --set-mark 2
-I PREROUTING 1 -p tcp -m connmark --mark 1 -j DROP
-I POSTROUTING 1 -p tcp -m connmark --mark 1 -j DROP
COMMIT
"""


def missing() -> str | None:
    """Return what these tests need and do not have, as a sentence, or None."""
    if os.geteuid() != 0:
        return "they need root, to make network namespaces"
    absent = {tool: deb for tool, deb in _TOOLS.items() if shutil.which(tool) is None}
    if absent:
        tools, debs = ", ".join(absent), " ".join(sorted(set(absent.values())))
        return f"they need {tools} (apt-get install {debs})"
    return None


@attrs.frozen
class Network:
    """Two namespaces with one link between them.

    Attributes:
        near: The namespace of the client.
        far: The namespace of the service.
    """

    near: str
    far: str

    def change(self) -> None:
        """Drop every packet of the connections made so far; new ones work."""
        _run("ip", "netns", "exec", self.far, *_RESTORE, given=_CHANGE)

    def pooled(self) -> int:
        """Count the connections that the client's side has open."""
        listed = _run("ip", "netns", "exec", self.near, "ss", "-Htn", "state", "all")
        return sum(line.startswith("ESTAB") for line in listed.splitlines())

    def dropped(self) -> int:
        """Count the packets that were sent to the service over a dead connection."""
        show = ("iptables", "-t", "mangle", "-nvxL", "PREROUTING")
        for line in _run("ip", "netns", "exec", self.far, *show).splitlines():
            packets, *words = line.split() or [""]
            if "DROP" in words:
                return int(packets)
        raise AssertionError("no rule drops anything yet")

    def crossed(self) -> int:
        """Count the packets that the service's end of the link has received."""
        counter = f"/sys/class/net/{_LINK}/statistics/rx_packets"
        return int(_run("ip", "netns", "exec", self.far, "cat", counter))


_LINK = "veth0"
_NAMED = Path("/run/netns")
_RESTORE = ("iptables-restore", "--noflush")


@contextlib.contextmanager
def network() -> Generator[Network]:
    """Make the namespaces, and delete them whatever happens.

    The caller ends the processes that it started in them.
    """
    name = f"{_PREFIX}-{os.getpid()}-{secrets.token_hex(3)}"
    made = Network(near=f"{name}-near", far=f"{name}-far")
    try:
        _build(made)
        yield made
    finally:
        for namespace in (made.near, made.far):
            _delete(namespace)


def remove_leftovers() -> None:
    """Delete the namespaces of test runs that were killed."""
    for line in _run("ip", "netns", "list").splitlines():
        name = line.split()[0]
        if name.startswith(f"{_PREFIX}-"):
            pid = name.removeprefix(f"{_PREFIX}-").partition("-")[0]
            if not Path("/proc", pid).exists():
                _delete(name)


def _build(made: Network) -> None:
    for namespace in (made.near, made.far):
        _run("ip", "netns", "add", namespace)
    ends = ("name", _LINK, "netns")
    pair = ("ip", "link", "add", *ends, made.near, "type", "veth", "peer", *ends)
    _run(*pair, made.far)
    hosts = (_CLIENT_HOST, SERVICE_HOST)
    for namespace, own, other in ((made.near, *hosts), (made.far, *reversed(hosts))):
        # Without it the kernel drops loopback addresses that arrive from a link.
        switch = f"/proc/sys/net/ipv4/conf/{_LINK}/route_localnet"
        _run("ip", "netns", "exec", namespace, "tee", switch, given="1\n")
        address = ("address", "add", f"{own}/32", "peer", f"{other}/32", "dev", _LINK)
        _run("ip", "-n", namespace, *address)
        _run("ip", "-n", namespace, "link", "set", _LINK, "up")
    _run("ip", "netns", "exec", made.far, *_RESTORE, given=_MARKS)


def _delete(namespace: str) -> None:
    """Delete a namespace; one that does not exist is no error."""
    try:
        _run("ip", "netns", "delete", namespace)
    except RuntimeError:
        if (_NAMED / namespace).exists():
            raise


def _run(*command: str, given: str | None = None) -> str:
    """Run a command and return what it printed."""
    done = subprocess.run(  # noqa: S603 -- every word is from here
        command, input=given, capture_output=True, text=True, check=False, timeout=30
    )
    if done.returncode:
        raise RuntimeError(f"`{' '.join(command)}` failed: {done.stderr.strip()}")
    return done.stdout
