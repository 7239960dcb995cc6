"""livebg in the guest, its camera, and its clients."""

import json
import re
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.system.guest import Guest, Program
from tests.system.kernel import loopback_version
from tests.system.network import write_network
from tests.system.pictures import Kind, ReceivedPicture, Recording

NODE: Final = "/dev/video42"
CAMERA: Final = "/dev/video0"
OTHER: Final = "/dev/video11"
"""Another loopback device, created before livebg's."""
SIZE: Final = (320, 180)
CONFIG: Final = "/run/home/.config/livebg/config.toml"
SETTINGS: Final = """\
[camera]
device = "/dev/video0"
size = "320x180"
frame_rate = 5
[effect]
mode = "background"
background = "#204060"
blur = 0.1
[model]
name = "/run/share/block.onnx"
"""
_VIVID: Final = "modprobe vivid n_devs=1 node_types=0x1 num_inputs=1 input_types=0x0 vid_cap_nr=0"
_STILL: Final = "osd_text_mode=2,horizontal_movement=3"
_FEW: Final = 60.0
"""Seconds of guest time in which an unwanted event would have happened."""


@dataclass
class Tally:
    """Of all pictures that readers got in one boot."""

    pictures: int = 0
    missed: int = 0
    kinds: dict[str, int] = field(default_factory=dict)


class DeviceReader:
    """A program that keeps every picture which it gets from a device."""

    def __init__(self, guest: Guest, device: str, name: str) -> None:
        self._guest = guest
        self._path = guest.share / f"{name}.pictures"
        self._path.unlink(missing_ok=True)
        self.program = guest.start("python", "-m", "tests.system.inside.recorder", device, f"/run/share/{self._path.name}")
        self._recording: Recording | None = None

    @property
    def recording(self) -> Recording:
        if self._recording is None:
            self._guest.wait_for("a reader has the device", self._has_begun, alive=self.program)
            self._recording = Recording(self._path)
        return self._recording

    def _has_begun(self) -> bool:
        return self._path.exists() and b"\n" in self._path.read_bytes()[:200]

    def sees(self, kind: Kind, count: int = 3, since: float | None = None) -> list[ReceivedPicture]:
        """Wait for that many pictures of a kind after a time by the guest's clock, by default the present; those."""
        after = self._guest.uptime if since is None else since

        def seen() -> list[ReceivedPicture] | None:
            found = [each for each in self.recording.pictures() if each.kind == kind and each.time > after]
            return found if len(found) >= count else None

        found = self._guest.wait_for(f"{count} pictures: {kind}", seen, alive=self.program)
        assert found is not None
        return found

    @property
    def composites(self) -> list[ReceivedPicture]:
        """Those that came until now."""
        return [each for each in self.recording.pictures() if each.kind == "composite"]

    def close(self) -> list[ReceivedPicture]:
        """End it, and give all that it saw."""
        self.program.stop()
        pictures = self.recording.pictures()
        self.recording.close()
        self._path.unlink()
        return pictures


class Call:
    """The guest of a user who is about to take a call."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        self.version = loopback_version(guest.parts)
        self.has_events = self.version >= (0, 13)
        """Whether v4l2loopback reports clients and allows only one reader at a time."""
        self.daemon: Program | None = None
        self.tally = Tally()
        self._count = 0
        write_network(guest.share / "block.onnx")
        guest.call("write", path=CONFIG, text=SETTINGS)
        self.use_modules(guest.parts.modules)
        guest.call("warm")

    # -- modules

    def load_camera(self) -> None:
        """The kernel's test camera: bars that stand still."""
        self.guest.shell(f"lsmod | grep -q ^vivid || {_VIVID}")
        self.camera_control(_STILL)

    def camera_control(self, values: str) -> None:
        self.guest.shell(f"v4l2-ctl -d {CAMERA} -c {values}")

    def use_modules(self, folder: Path) -> None:
        """Have modules installed for the running kernel."""
        place = f"/lib/modules/{self.guest.parts.release}"
        self.guest.shell(f"while umount {place} 2>/dev/null; do :; done; mkdir -p {place}; mount --bind {folder} {place}")

    def load_loopback(self, options: str = "") -> None:
        """Reload v4l2loopback; without options as it is set up."""
        self.unload_loopback()
        self.guest.shell(f"modprobe v4l2loopback {options}")

    def unload_loopback(self) -> None:
        self.guest.shell("! lsmod | grep -q ^v4l2loopback || modprobe -r v4l2loopback")

    # -- livebg

    def doctor(self, user: str | None = None) -> dict[str, dict[str, Any]]:
        """The doctor's results by check."""
        done = self.guest.run("livebg", "doctor", "--no-measure", "--json", user=user)
        found = {each["check"]: each for each in json.loads(done.out)}
        assert done.code == int(any(each["status"] == "FAIL" for each in found.values())), done
        return found

    def running(self, *, cold: bool = False) -> Program:
        """livebg, started unless it runs; ``cold`` as :meth:`Guest.start` has it."""
        if not module_is_loaded(self.guest, "v4l2loopback"):
            self.guest.run("livebg", "setup", "--no-service", "--yes")
        self.load_camera()
        if self.daemon is None or self.daemon.code is not None:
            self.start(cold=cold)
        assert self.daemon is not None
        return self.daemon

    def start(self, *options: str, cold: bool = False) -> Program:
        """``livebg run``, until it answers and the node is a camera."""
        self.daemon = self.guest.start("livebg", "run", *options, cold=cold)
        self.guest.wait_for("livebg answers", lambda: self.status()["state"] != "none", alive=self.daemon)
        self.guest.wait_for("the node is a camera", lambda: "Capture" in self.faces(), alive=self.daemon)
        return self.daemon

    def stop(self) -> None:
        if self.daemon is not None:
            self.daemon.stop(signal.SIGKILL)
            self.daemon = None

    def status(self) -> dict[str, Any]:
        """livebg's status; ``state`` is "none" if none runs."""
        reported: dict[str, Any] = self.guest.call("ask", command="status") or {"state": "none"}
        return reported

    def becomes(self, state: str) -> dict[str, Any]:
        """Wait for a state and return the status that reports it."""
        return self.guest.wait_for(f"state {state}", lambda: self._status_if(state), alive=self.daemon) or {}

    def camera_is_open(self) -> bool:
        return self.daemon is not None and self.daemon.holds(CAMERA)

    def counted(self, what: str, more: int) -> None:
        """Wait until livebg has counted that many more of a value such as ``sent``."""
        before = self.status()["counts"][what]
        self.guest.wait_for(f"{more} more {what}", lambda: self.status().get("counts", {what: 0})[what] >= before + more)

    def _status_if(self, state: str) -> dict[str, Any] | None:
        status = self.status()
        return status if status["state"] == state else None

    # -- who looks

    @contextmanager
    def watching(self, device: str = NODE) -> Iterator[DeviceReader]:
        """A client watches, and the room is in none of its pictures."""
        self._count += 1
        watcher = DeviceReader(self.guest, device, f"watcher-{self._count}")
        try:
            yield watcher
        finally:
            self.judge(watcher.close())

    def judge(self, pictures: list[ReceivedPicture]) -> None:
        """Count pictures; none may be a leak."""
        self.tally.pictures += len(pictures)
        for picture in pictures:
            self.tally.kinds[picture.kind] = self.tally.kinds.get(picture.kind, 0) + 1
        leaks = [picture for picture in pictures if picture.kind == "leak"]
        if leaks:
            kept = self.guest.share / "leak.yuv"
            kept.write_bytes(leaks[0].data.tobytes())
        assert not leaks, f"{len(leaks)} of {len(pictures)} pictures show the room, the first at {leaks[0].time:.1f} s"

    def faces(self, device: str = NODE) -> set[str]:
        """The capabilities that a device reports: ``Capture``, ``Output``."""
        reported = self.guest.run("v4l2-ctl", "-d", device, "--info").out
        return set(re.findall(r"Video (Capture|Output)", reported.split("Device Caps")[-1]))

    def camera_picture(self) -> bytes:
        """One picture of the test camera itself, I420; it must be free."""
        path = self.guest.share / "camera.yuv"
        self.guest.shell(
            f"v4l2-ctl -d {CAMERA} --set-fmt-video=width={SIZE[0]},height={SIZE[1]},pixelformat=YU12 "
            f"--stream-mmap --stream-count=3 --stream-to=/run/share/{path.name}"
        )
        size = SIZE[0] * SIZE[1] * 3 // 2
        return path.read_bytes()[-size:]


def module_is_loaded(guest: Guest, module: str) -> bool:
    """Whether a module is loaded."""
    modules: list[str] = guest.call("links", folder="/sys/module")
    return module in modules


def discard(share: Path) -> None:
    """Remove the files of a boot, except for those that help to understand a failure."""
    for entry in share.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.suffix == ".pictures":
            entry.unlink()
