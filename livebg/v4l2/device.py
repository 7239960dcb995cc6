"""Which video devices there are, and what each says of itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from livebg.v4l2 import abi
from livebg.v4l2.syscalls import SYSTEM, Kernel

LOOPBACK_DRIVER: Final = "v4l2 loopback"


@dataclass(frozen=True, slots=True)
class Device:
    """A node and what its driver says of it. ``caps`` are the node's own, as bits of ``abi.CAP_*``."""

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
        """Whether pictures can be read from it; metadata nodes and radios say no."""
        return bool(self.caps & abi.CAP_VIDEO_CAPTURE)

    @property
    def outputs(self) -> bool:
        """Whether pictures can be written to it."""
        return bool(self.caps & abi.CAP_VIDEO_OUTPUT)

    def __str__(self) -> str:
        return f"{self.card} ({self.path})"


@dataclass(frozen=True, slots=True)
class Refused:
    """A node that could not be opened or asked, and why."""

    path: Path
    error: OSError


@contextmanager
def opened(path: Path, kernel: Kernel) -> Iterator[int]:
    """A node's descriptor for the length of a block. Raises ``OSError``."""
    fd = kernel.open(path)
    try:
        yield fd
    finally:
        kernel.close(fd)


def ask(path: Path, fd: int, kernel: Kernel) -> Device:
    """What the opened node is. Raises ``OSError``; ENOTTY when it is no video device."""
    answer = abi.Capability()
    kernel.ioctl(fd, abi.QUERYCAP, answer)
    caps = answer.device_caps if answer.capabilities & abi.CAP_DEVICE_CAPS else answer.capabilities
    return Device(path, _text(answer.driver), _text(answer.card), _text(answer.bus_info), caps)


def survey(kernel: Kernel = SYSTEM) -> tuple[list[Device], list[Refused]]:
    """All video nodes in the order of their numbers: those that answered and those that did not."""
    found: list[Device] = []
    refused: list[Refused] = []
    for path in kernel.nodes():
        try:
            with opened(path, kernel) as fd:
                found.append(ask(path, fd, kernel))
        except OSError as error:
            refused.append(Refused(path, error))
    return found, refused


def _text(raw: bytes) -> str:
    """What a device calls itself is shown to people, in sentences and on terminals: no line ends, no orders to those."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in raw.decode("utf-8", "replace"))
