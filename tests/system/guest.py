"""A machine in QEMU and its operations for tests."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from tests.system.kernel import Parts, initramfs

PATIENCE: Final = float(os.environ.get("LIVEBG_SYSTEM_PATIENCE", "900"))
"""Seconds after which a program in the guest counts as hung; emulation is slow, and slower on a busy machine."""
_ROOT: Final = Path(__file__).parents[2]
_INSIDE: Final = Path(__file__).parent / "inside"
_PAUSE: Final = 0.25
_PROCESSOR: Final = "max,-avx512f,-avx2,-avx,-fma"
"""Wide registers cost emulation more than they spare."""
_Told = TypeVar("_Told")


class GuestError(AssertionError):
    """The guest is gone, refuses, or something in it never happened."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a program ended."""

    code: int
    out: str
    err: str


class Guest:
    """The machine. ``share`` is a folder that both see, as ``/run/share`` there: results are written to it."""

    def __init__(self, parts: Parts, share: Path) -> None:
        self.parts = parts
        self.share = share
        share.chmod(0o755)  # other users of the guest run livebg from there
        _fill(share)
        self._sockets = Path(tempfile.mkdtemp(prefix="livebg-"))
        initramfs(parts, share / "initramfs", str(Path(sys.executable).absolute()))
        self._console = (share / "console.log").open("wb")
        self._machine = subprocess.Popen(
            _command(parts, share, self._sockets / "agent"),
            stdin=subprocess.DEVNULL,
            stdout=self._console,
            stderr=subprocess.STDOUT,
        )
        self._channel = self._connected()
        self._rest = b""
        self.uptime = 0.0
        """Seconds since the guest's start at its last answer, by the clock that its recordings have."""

    def call(self, deed: str, patience: float = PATIENCE, **arguments: object) -> Any:
        """Have the agent do something. Raises :class:`GuestError`."""
        self._channel.settimeout(patience)
        try:
            self._channel.sendall(json.dumps({"deed": deed, "arguments": arguments}).encode() + b"\n")
            while b"\n" not in self._rest:
                chunk = self._channel.recv(1 << 16)
                if not chunk:
                    raise GuestError(f"the guest ended: {self.console[-600:]}")
                self._rest += chunk
        except OSError as error:
            raise GuestError(f"the guest does not answer ({error}): {self.console[-600:]}") from error
        line, self._rest = self._rest.split(b"\n", 1)
        answer = json.loads(line)
        self.uptime = answer["uptime"]
        if "error" in answer:
            raise GuestError(f"{deed} {arguments}: {answer['error']}")
        return answer["result"]

    @property
    def console(self) -> str:
        """The output of the kernel and the agent."""
        return (self.share / "console.log").read_text(errors="replace")

    def start(self, *command: str, user: str | None = None, cold: bool = False) -> "Program":
        """Start a program in the background. ``cold``: a ``livebg`` with no imports of the agent's."""
        pid, output = self.call("start", command=list(command), user=user, cold=cold)
        return Program(self, pid, output)

    def run(self, *command: str, user: str | None = None) -> Outcome:
        """Run a program to its end."""
        return self.start(*command, user=user).wait()

    def shell(self, script: str) -> str:
        """The output of a shell script, which must succeed."""
        done = self.run("sh", "-ec", script)
        if done.code:
            raise GuestError(f"{script!r} ended with {done.code}: {done.out}{done.err}")
        return done.out

    @contextmanager
    def background(self, *command: str) -> Iterator["Program"]:
        """A program that runs for as long as the context does."""
        program = self.start(*command)
        try:
            yield program
        finally:
            program.stop(signal.SIGKILL)

    def wait_for(
        self, what: str, look: Callable[[], _Told], *, alive: "Program | None" = None, patience: float = PATIENCE
    ) -> _Told:
        """The first thing that ``look`` gives which is neither None nor False nor empty; ``alive`` must not end before."""
        deadline = time.monotonic() + patience
        while not (found := look()):
            if time.monotonic() > deadline:
                raise GuestError(f"never: {what}; {self.console[-300:]}")
            if alive is not None and alive.code is not None:
                raise GuestError(f"never: {what}; {alive.report}")
            time.sleep(_PAUSE)
        return found

    def close(self) -> None:
        """Switch it off; only the share is kept."""
        self._machine.kill()
        self._machine.wait()
        self._channel.close()
        self._console.close()
        shutil.rmtree(self._sockets, ignore_errors=True)

    def _connected(self) -> socket.socket:
        channel = socket.socket(socket.AF_UNIX)
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                channel.connect(str(self._sockets / "agent"))
                return channel
            except OSError as error:
                if self._machine.poll() is not None or time.monotonic() > deadline:
                    raise GuestError(f"QEMU did not start: {self.console[-600:]}") from error
                time.sleep(0.1)


class Program:
    """A program that was started in the guest."""

    def __init__(self, guest: Guest, pid: int, output: str) -> None:
        self.guest, self.pid, self._output = guest, pid, output

    @property
    def code(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        code: int | None = self.guest.call("ended", pid=self.pid)
        return code

    @property
    def out(self) -> str:
        return self.guest.call("read", path=self._output) or ""

    @property
    def err(self) -> str:
        return self.guest.call("read", path=f"{self._output}.err") or ""

    @property
    def report(self) -> str:
        """Its exit code and the end of its output."""
        return f"exit code {self.code}: {self.out[-600:]}{self.err[-600:]}"

    def wait(self, patience: float = PATIENCE) -> Outcome:
        """Wait for its end; what does not end in time is killed, and raises :class:`GuestError`."""
        deadline = time.monotonic() + patience
        while (code := self.code) is None:
            if time.monotonic() > deadline:
                self.kill(signal.SIGKILL)
                raise GuestError(f"it did not end: {self.report}")
            time.sleep(_PAUSE)
        return Outcome(code, self.out, self.err)

    def kill(self, number: signal.Signals = signal.SIGTERM, *, group: bool = False) -> None:
        if self.code is None:
            self.guest.call("signal", pid=self.pid, number=int(number), group=group)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> Outcome:
        """End it, with all that it started."""
        self.kill(number, group=True)
        return self.wait()

    def holds(self, device: str) -> bool:
        """Whether it has a file open."""
        links: list[str] = self.guest.call("links", folder=f"/proc/{self.pid}/fd")
        return device in links


def _fill(share: Path) -> None:
    """livebg's current code, or that of ``$LIVEBG_SYSTEM_TREE``, and the programs for the guest."""
    tree = Path(os.environ.get("LIVEBG_SYSTEM_TREE", _ROOT))
    ignore = shutil.ignore_patterns("__pycache__")
    for folder in ("livebg", "systemd"):
        shutil.copytree(tree / folder, share / folder, ignore=ignore)
    for package in ("tests", "tests/system"):
        (share / package).mkdir()
        shutil.copy(_ROOT / package / "__init__.py", share / package)
    shutil.copytree(_INSIDE, share / "tests/system/inside", ignore=ignore)
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(share)], check=True)


def _command(parts: Parts, share: Path, channel: Path) -> list[str]:
    """QEMU without hardware virtualization: that hangs on some machines, and is not to be had on most that test."""
    files = "security_model=none,multidevs=remap"
    return [
        "qemu-system-x86_64", "-accel", "tcg,thread=multi,tb-size=1024", "-cpu", _PROCESSOR, "-M", "q35", "-smp", "2", "-m", "3G",
        "-nodefaults", "-no-reboot", "-display", "none", "-serial", "stdio", "-device", "virtio-rng-pci",
        "-kernel", str(parts.image), "-initrd", str(share / "initramfs"),
        "-virtfs", f"local,path=/,mount_tag=host,readonly=on,{files}",
        "-virtfs", f"local,path={share},mount_tag=share,{files}",
        "-device", "virtio-serial-pci", "-chardev", f"socket,id=agent,path={channel},server=on,wait=off",
        "-device", "virtserialport,chardev=agent,name=livebg.agent",
        "-append", "console=ttyS0 quiet panic=-1 mitigations=off nokaslr audit=0 no_timer_check",
    ]  # fmt: skip
