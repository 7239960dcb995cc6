"""A simulated machine for the doctor: a folder as its root, tools with prepared output, in-memory devices."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from livebg.doctor.context import CheckContext
from livebg.system.host import Commands, Host, ToolMissing, ToolResult
from livebg.v4l2 import abi
from livebg.v4l2.modes import Mode
from livebg.v4l2.syscalls import Holder
from tests.support.fake_v4l2 import HD, OUTPUT, VGA, FakeDevice, FakeKernel

RELEASE = "6.1.0-18-amd64"
NODE = "/dev/video42"
DEBIAN = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\nID=debian\n'
UBUNTU = 'NAME="Ubuntu"\nVERSION_ID="24.04"\nID=ubuntu\nID_LIKE=debian\n'
FEDORA = 'NAME="Fedora Linux"\nVERSION_ID=40\nID=fedora\n'
TUMBLEWEED = 'NAME="openSUSE Tumbleweed"\nID="opensuse-tumbleweed"\nID_LIKE="opensuse suse"\n'
ARCH = 'NAME="Arch Linux"\nID=arch\n'


class FakeCommands(Commands):
    """Tools with prepared output; others are not installed. ``asked`` lists all commands run."""

    def __init__(self) -> None:
        self.answers: dict[str, ToolResult | Exception] = {}
        self.asked: list[str] = []

    def run(self, *command: str, timeout: float | None = 5.0) -> ToolResult:  # noqa: ARG002
        line = " ".join(command)
        self.asked.append(line)
        fits = [start for start in self.answers if line.startswith(start)]
        if not fits:
            raise ToolMissing(f"{command[0]} is not installed")
        answer = self.answers[max(fits, key=len)]
        if isinstance(answer, Exception):
            raise answer
        return answer


class KernelWithHolders(FakeKernel):
    """A fake kernel with holders per device."""

    def __init__(self) -> None:
        super().__init__({})
        self.held: dict[Path, list[Holder]] = {}

    def holders(self, path: Path) -> list[Holder]:
        return self.held.get(path, [])


class DoctorMachine:
    """The simulated machine, configured by a test."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.commands = FakeCommands()
        self.kernel = KernelWithHolders()
        self.environment = {"USER": "ada"}
        self.groups = frozenset({1000})
        self.system = "linux"
        self.file("/etc/os-release", DEBIAN)

    def file(self, path: str, text: str = "") -> None:
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def folder(self, path: str) -> None:
        (self.root / path.lstrip("/")).mkdir(parents=True, exist_ok=True)

    def tool(self, command: str, out: str = "", code: int = 0, err: str = "") -> None:
        """Set the output of a command that starts with ``command``."""
        self.commands.answers[command] = ToolResult(code, out, err)

    def module(self, release: str = RELEASE) -> None:
        """Install v4l2loopback like DKMS."""
        self.folder(f"/lib/modules/{release}/build")
        self.file(f"/lib/modules/{release}/updates/dkms/v4l2loopback.ko.xz")

    def loaded(self, version: str = "0.13.2") -> None:
        self.module()
        self.file("/sys/module/v4l2loopback/version", f"{version}\n")

    def device(self, node: str = NODE, label: str = "livebg", caps: int = OUTPUT) -> FakeDevice:
        """Add a loopback device with its sysfs entries."""
        self.loaded()
        self.file(f"/sys/devices/virtual/video4linux/{Path(node).name}/max_openers", "10\n")
        device = FakeDevice(label, modes=(), driver="v4l2 loopback", bus="platform:v4l2loopback-042", caps=caps)
        self.kernel.devices[Path(node)] = device
        return device

    def camera(self, node: str = "/dev/video0", modes: Sequence[Mode] = (VGA, HD)) -> FakeDevice:
        device = self.kernel.devices[Path(node)] = FakeDevice(modes=modes)
        return device

    def held(self, node: str, *holders: Holder) -> None:
        self.kernel.held[Path(node)] = list(holders)

    def context(self, config: Path | None = None) -> CheckContext:
        return CheckContext(self.host(), config)

    def host(self) -> Host:
        return Host(self.root, self.system, RELEASE, self.environment, self.groups, self.commands, self.kernel)


def set_format(device: FakeDevice, width: int, height: int, pixel_format: str = "YU12") -> None:
    """Set the format of a device."""
    device.pix.width, device.pix.height, device.pix.pixelformat = width, height, abi.fourcc(pixel_format)


def pipewire_dump(*objects: dict[str, Any]) -> str:
    """Return pw-dump's output for objects with these properties and the standard objects."""
    core = {"id": 0, "type": "PipeWire:Interface:Core", "version": 4, "info": {"cookie": 1, "props": {"core.name": "pipewire-0"}}}
    metadata = {"id": 37, "type": "PipeWire:Interface:Metadata", "props": {"metadata.name": "default"}, "metadata": []}
    kind = "PipeWire:Interface:Device"
    received = [{"id": 40 + number, "type": kind, "info": {"props": each}} for number, each in enumerate(objects)]
    return json.dumps([core, metadata, *received], indent=2)
