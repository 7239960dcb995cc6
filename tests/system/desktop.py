"""Parts of a desktop in the guest: a screen, and PipeWire and WirePlumber with the cameras that they list."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.system.call import Call, module_is_loaded
from tests.system.guest import Guest, GuestError, Program

_WIREPLUMBER: Final = "/usr/share/wireplumber"
"""By its files there, ``livebg setup`` knows the version."""
_RULES: Final = "/run/home/.config/wireplumber"
_LOGIND: Final = " ".join(f"/run/systemd/{each}" for each in ("seats", "sessions", "users", "machines"))
"""The folders of logind. WirePlumber 0.4 watches them, and ends with the code 70 if they do not exist."""
BUS: Final = "/run/user/bus"
"""The socket of the session bus."""
_PLUGINS: Final = "/run/gst-pipewire"
"""The plugins of GStreamer that the reader needs: under emulation it would examine all of them for minutes."""
_GST: Final = "/usr/lib/x86_64-linux-gnu/gstreamer-1.0/libgst"
_READER: Final = (
    "env", f"GST_PLUGIN_SYSTEM_PATH_1_0={_PLUGINS}", "GST_REGISTRY_FORK=no", f"GST_REGISTRY={_PLUGINS}/registry",
    "gst-launch-1.0", "-q", "pipewiresrc", "target-object=livebg", "!", "video/x-raw,format=I420", "!", "filesink",
    "buffer-mode=unbuffered",
)  # fmt: skip
_SETTLING: Final = 10
"""Seconds of guest time in which WirePlumber examines the devices that it has found."""


@contextmanager
def screen(guest: Guest, width: int, height: int) -> Iterator[str]:
    """An invisible screen; its name, for the variable ``DISPLAY``."""
    guest.shell("rm -f /tmp/.X11-unix/X7 /tmp/.X7-lock")  # of a screen that was killed
    with guest.background("Xvfb", ":7", "-screen", "0", f"{width}x{height}x24", "-nolisten", "tcp") as server:
        guest.wait_for("the screen", lambda: "X7" in guest.call("links", folder="/tmp/.X11-unix"), alive=server)
        yield ":7"


class Desktop:
    """The session of the user who takes the call. Device events come from a real udev."""

    def __init__(self, call: Call, root: Path) -> None:
        """``root``: a Debian of another release, whose programs run."""
        self._call = call
        self._inside = ("env", "SYSTEMD_IGNORE_CHROOT=1", "chroot", str(root))
        self._wireplumber: Program | None = None
        guest = call.guest
        guest.shell(f"mkdir -p {_WIREPLUMBER} {_LOGIND}; mount --bind {root}{_WIREPLUMBER} {_WIREPLUMBER}")
        for folder in ("proc", "sys", "dev", "run", "tmp"):
            guest.shell(f"mount --rbind /{folder} {root}/{folder}")
        self._run("/lib/systemd/systemd-udevd", "--daemon")
        self._run("udevadm", "trigger")
        self._run("udevadm", "settle")
        self._bus = guest.start("dbus-daemon", "--session", "--nofork", f"--address=unix:path={BUS}")
        self._pipewire = self._start("pipewire")
        folder, _, bus = BUS.rpartition("/")
        listening = {bus, "pipewire-0"}
        guest.wait_for("PipeWire listens", lambda: listening <= set(guest.call("links", folder=folder)), alive=self._pipewire)

    def restart_wireplumber(self) -> None:
        """It reads its rules, and has examined all devices."""
        self.stop_wireplumber()
        self._wireplumber = self._start("wireplumber")
        found = lambda: "/dev/video0" in {each.get("api.v4l2.path") for each in self.cameras()}  # noqa: E731
        try:
            self._call.guest.wait_for("WirePlumber lists the real camera", found, alive=self._wireplumber)
        except GuestError as error:
            raise GuestError(f"{error}; PipeWire: {self._pipewire.report}") from error
        self._call.guest.shell(f"sleep {_SETTLING}")

    def stop_wireplumber(self) -> None:
        if self._wireplumber:
            self._wireplumber.stop()
            self._wireplumber = None

    @contextmanager
    def without_rule(self) -> Iterator[None]:
        """WirePlumber without the rule that setup wrote, for as long as the context does."""
        self._call.guest.shell(f"mv {_RULES} {_RULES}.aside")
        self.restart_wireplumber()
        try:
            yield
        finally:
            self._call.guest.shell(f"mv {_RULES}.aside {_RULES}")
            self.restart_wireplumber()

    def holds(self, device: str) -> bool:
        """Whether WirePlumber or PipeWire has a device open."""
        return any(each.holds(device) for each in (self._wireplumber, self._pipewire) if each)

    @property
    def version(self) -> str:
        """WirePlumber's."""
        return self._run("wireplumber", "--version").split()[-1]

    def cameras(self) -> list[dict[str, Any]]:
        """The properties of the nodes that programs list as cameras."""
        nodes = [each["info"]["props"] for each in self._objects() if each["type"] == "PipeWire:Interface:Node"]
        return [each for each in nodes if each.get("media.class") == "Video/Source"]

    def livebg_cameras(self) -> list[str | None]:
        """Of those whose description is livebg's: the V4L2 device, or None for a camera that programs such as livebg offer."""
        shown = [each for each in self.cameras() if each["node.description"].startswith("livebg")]
        return sorted((each.get("api.v4l2.path") for each in shown), key=str)

    @contextmanager
    def reading(self, file: str) -> Iterator[Program]:
        """A GStreamer program that reads livebg's PipeWire camera into a file, as I420."""
        self._call.guest.shell(f"mkdir -p {_PLUGINS}; ln -sf {_GST}pipewire.so {_GST}coreelements.so {_PLUGINS}")
        with self._call.guest.background(*self._inside, *_READER, f"location={file}") as program:
            yield program

    def close(self) -> None:
        self.stop_wireplumber()
        for program in (self._pipewire, self._bus):
            program.stop()

    def _objects(self) -> list[dict[str, Any]]:
        """PipeWire's objects. If they change meanwhile, pw-dump adds lists of the changed and removed ones."""
        dump = self._run("pw-dump").strip()
        found: dict[int, dict[str, Any]] = {}
        while dump:
            objects, end = json.JSONDecoder().raw_decode(dump)
            found |= {each["id"]: each for each in objects}
            dump = dump[end:].lstrip()
        return [each for each in found.values() if each.get("info")]

    def _run(self, *command: str) -> str:
        return self._call.guest.shell(" ".join([*self._inside, *command]))

    def _start(self, *command: str) -> Program:
        return self._call.guest.start(*self._inside, *command)


@contextmanager
def desktop_with_both_cameras(call: Call, root: Path) -> Iterator[Desktop]:
    """A desktop where ``livebg setup --both`` has run. At the end everything is as before."""
    desktop = Desktop(call, root)
    call.stop()
    try:
        done = call.guest.run("livebg", "setup", "--both", "--no-service", "--yes")
        assert done.code == 0, done
        assert module_is_loaded(call.guest, "v4l2loopback")
        yield desktop
    finally:
        call.stop()
        call.guest.run("livebg", "setup", "--undo", "--yes")
        desktop.close()
