"""A simulated machine for setup: a folder tree, and commands that change it like the real ones."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Final

from livebg.setup.target import Machine
from livebg.system.host import Commands, ToolResult

RELEASE: Final = "6.1.0-test"
OBS: Final = 'options v4l2loopback devices=1 video_nr=10 card_label="OBS Virtual Camera" exclusive_caps=1\n'
_STUB: Final = '#!/bin/sh\necho "$(basename "$0") $*" >> "$RECORD"\ncase " $FAILING " in *" $(basename "$0") "*) exit 1;; esac\n'
_MODPROBE: Final = 'if [ "$1" = -r ]; then rm -r "$SYS/module/v4l2loopback"; else mkdir "$SYS/module/v4l2loopback"; fi\n'


class TreeCommands(Commands):
    """Runs shell scripts unchanged, but as this user and with stubs for commands that affect the kernel.

    ``systemctl`` creates and removes the link of an enabled unit. Programs in ``failing`` fail; ``calls`` lists the commands run.
    """

    def __init__(self, folder: Path, sys: Path, units: Path, there: set[str]) -> None:
        self._folder, self._sys, self._units = folder, sys, units
        self.there = there
        self.failing: set[str] = set()
        self.calls: list[str] = []
        folder.mkdir()
        for name in ("modprobe", "v4l2loopback-ctl"):
            (folder / name).write_text(_STUB + (_MODPROBE if name == "modprobe" else ""))
            (folder / name).chmod(0o755)

    def find(self, tool: str) -> str | None:
        return tool if tool in self.there else None

    def run(self, *command: str, timeout: float | None = None) -> ToolResult:  # noqa: ARG002
        if self.failing & {command[0], command[-1]}:
            self.calls.append(command[0])
            return ToolResult(1, "", "simulated")
        if command[0] == "systemctl":
            self.calls.append(" ".join(command))
            self._systemctl(command[2:])
        else:
            self.calls.append(f"{' '.join(command[:-2])} -ec")
            return self._script(command[-1])
        return ToolResult(0, "")

    def _script(self, script: str) -> ToolResult:
        record = self._folder / "record"
        record.write_text("")
        environment = {"PATH": f"{self._folder}{os.pathsep}{os.environ['PATH']}", "RECORD": str(record), "SYS": str(self._sys)}
        environment["FAILING"] = " ".join(self.failing)
        done = subprocess.run(["/bin/sh", "-ec", script], env=environment, capture_output=True, text=True, check=False)
        self.calls += record.read_text().splitlines()
        return ToolResult(done.returncode, done.stdout, done.stderr)

    def _systemctl(self, words: tuple[str, ...]) -> None:
        link = self._units / "default.target.wants" / "livebg.service"
        if words[0] == "enable":
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(self._units / "livebg.service")
        if words[0] == "disable":
            link.unlink(missing_ok=True)


class SetupSandbox:
    """A machine with sudo and the module installed but not loaded, without any files of livebg."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        config = self.home / ".config"
        there = {"sudo", "systemctl", "v4l2loopback-ctl", "wireplumber"}
        self.commands = TreeCommands(folder / "stubs", self.root / "sys", config / "systemd" / "user", there)
        self.put(f"/lib/modules/{RELEASE}/modules.dep", "kernel/drivers/x.ko:\nupdates/dkms/v4l2loopback.ko.xz: kernel/y.ko\n")
        self.put("/etc/os-release", "ID=debian\n")
        for known in ("/etc/modprobe.d", "/etc/modules-load.d", "/run/systemd/system", "/sys/module"):
            (self.root / known.lstrip("/")).mkdir(parents=True)
        self.machine = Machine(
            commands=self.commands,
            root=self.root,
            config=config,
            data=self.home / ".local" / "share",
            state=self.home / ".local" / "state" / "livebg",
            command=("/opt/livebg/bin/livebg",),
            release=RELEASE,
            is_root=False,
        )

    def put(self, absolute: str, text: str, mode: int = 0o644) -> Path:
        path = self.root / absolute.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    def load(self, *labels: str, users: int = 0) -> None:
        """Load the module with devices of these names, starting at /dev/video10."""
        self.put("/sys/module/v4l2loopback/refcnt", f"{users}\n")
        for number, label in enumerate(labels, 10):
            for place in ("devices/virtual", "class"):
                self.put(f"/sys/{place}/video4linux/video{number}/name", f"{label}\n")
            self.put(f"/dev/video{number}", "")

    def without(self, *programs: str) -> None:
        self.commands.there -= set(programs)

    def on(self, **changes: bool) -> Machine:
        return replace(self.machine, **changes)  # type: ignore[arg-type]

    def text(self, absolute: str) -> str:
        return (self.root / absolute.lstrip("/")).read_text()

    def tree(self) -> dict[str, tuple[int, bytes | str | None]]:
        """Return mode and content of all paths below root and home: bytes of a file, target of a link, None for a folder."""
        found: dict[str, tuple[int, bytes | str | None]] = {}
        for top in (self.root, self.home):
            for path in sorted(top.rglob("*")):
                held = str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else None
                found[str(path)] = (path.lstat().st_mode, held)
        return found
