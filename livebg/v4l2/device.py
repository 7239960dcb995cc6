"""Lists video devices and queries their capabilities."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from livebg.v4l2 import abi
from livebg.v4l2.syscalls import SYSCALLS, Syscalls

LOOPBACK_DRIVER: Final = "v4l2 loopback"


@dataclass(frozen=True, slots=True)
class Device:
    """A device node and its driver's capabilities. ``caps`` are the node's own bits of ``abi.CAP_*``."""

    path: Path
    driver: str
    card: str
    bus: str
    caps: int

    @property
    def is_loopback(self) -> bool:
        return self.driver == LOOPBACK_DRIVER

    @property
    def captures(self) -> bool:
        """Whether pictures can be read from it; False for metadata nodes and radios."""
        return bool(self.caps & abi.CAP_VIDEO_CAPTURE)

    @property
    def outputs(self) -> bool:
        """Whether pictures can be written to it."""
        return bool(self.caps & abi.CAP_VIDEO_OUTPUT)

    def __str__(self) -> str:
        return f"{self.card} ({self.path})"


@dataclass(frozen=True, slots=True)
class InaccessibleDevice:
    """A node that could not be opened or queried, and the error."""

    path: Path
    error: OSError


@contextmanager
def open_device(path: Path, kernel: Syscalls) -> Iterator[int]:
    """Open a node for the duration of a block. Raises ``OSError``."""
    fd = kernel.open(path)
    try:
        yield fd
    finally:
        kernel.close(fd)


def query_capabilities(path: Path, fd: int, kernel: Syscalls) -> Device:
    """Query an open node. Raises ``OSError``; ENOTTY if it is not a video device."""
    capability = abi.Capability()
    kernel.ioctl(fd, abi.QUERYCAP, capability)
    caps = capability.device_caps if capability.capabilities & abi.CAP_DEVICE_CAPS else capability.capabilities
    return Device(path, printable(capability.driver), printable(capability.card), printable(capability.bus_info), caps)


def enumerate_devices(kernel: Syscalls = SYSCALLS) -> tuple[list[Device], list[InaccessibleDevice]]:
    """Return all video nodes in numeric order: those that responded and those that failed."""
    found: list[Device] = []
    refused: list[InaccessibleDevice] = []
    for path in kernel.nodes():
        try:
            with open_device(path, kernel) as fd:
                found.append(query_capabilities(path, fd, kernel))
        except OSError as error:
            refused.append(InaccessibleDevice(path, error))
    return found, refused


def printable(raw: bytes) -> str:
    """Return a device's text without control characters, safe to print in sentences and on terminals."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in raw.decode("utf-8", "replace"))
