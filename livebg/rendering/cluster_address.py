"""The address of a cluster, as ``livebg render --cluster`` takes it: no setting names a cluster."""

import ipaddress
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from livebg.errors import ConfigError

LOCAL: Final = "local"
"""Instead of an address: worker processes on this machine."""
_ENCRYPTED: Final = "tls"
_PROTOCOLS: Final = (_ENCRYPTED, "tcp")
_EXAMPLE: Final = "Write tls://HOST:PORT, or local for this machine."


@dataclass(frozen=True, slots=True)
class ClusterAddress:
    """``text`` is ``local``, or the address of a Dask scheduler. ``insecure`` permits connections without encryption."""

    text: str
    insecure: bool = False

    @property
    def is_local(self) -> bool:
        return self.text == LOCAL

    @property
    def is_loopback(self) -> bool:
        """Whether connections to it stay on this machine, unless a tunnel forwards them."""
        return self.is_local or is_loopback(self.text)

    @property
    def is_encrypted(self) -> bool:
        return self.is_local or is_encrypted(self.text)


def parse_cluster(text: str, insecure: bool) -> ClusterAddress:
    """Return the address that the user wrote: ``local``, ``tls://HOST:PORT`` or ``tcp://HOST:PORT``.

    Raises :class:`~livebg.errors.ConfigError` for anything else, and for a ``tcp://`` address of another machine unless
    ``insecure``.
    """
    if text == LOCAL:
        return ClusterAddress(text, insecure)
    try:
        parts = urlsplit(text)
        complete = bool(parts.hostname and parts.port)
    except ValueError:
        complete = False
    if not complete or parts.path or parts.query or parts.fragment or parts.username:
        raise ConfigError(f"The cluster {text!r} is not an address.", _EXAMPLE)
    if parts.scheme not in _PROTOCOLS:
        raise ConfigError(f"The cluster {text!r} begins with {parts.scheme}://, which livebg does not use.", _EXAMPLE)
    address = ClusterAddress(text, insecure)
    if not (address.is_encrypted or address.is_loopback or insecure):
        raise ConfigError(
            f"The connection to {text} is not encrypted: others in the network can read it and run programs on the workers.",
            "Use tls://, or add --insecure-cluster if you trust all machines in the network.",
        )
    return address


def is_loopback(address: str) -> bool:
    """Return whether the host of ``PROTOCOL://HOST:PORT`` is a loopback address or ``localhost``."""
    host = urlsplit(address).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_encrypted(address: str) -> bool:
    """Return whether ``PROTOCOL://HOST:PORT`` is that of a TLS connection."""
    return urlsplit(address).scheme == _ENCRYPTED
