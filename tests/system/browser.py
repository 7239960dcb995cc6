"""Browsers in the guest, with a page that shows the camera and reports what it sees."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from livebg.compositing.placeholder import draw_placeholder
from tests.support.browsers import FIREFOX
from tests.system.call import Call
from tests.system.debian import BROWSER
from tests.system.guest import GuestError
from tests.system.inside.page import PERSON, POINTS, PORT
from tests.system.pictures import COLOR, LEVELS, ROOM

_OPTIONS = (
    "--no-sandbox", "--disable-gpu", "--no-zygote", "--use-fake-ui-for-media-stream", "--mute-audio",
    "--autoplay-policy=no-user-gesture-required", "--disable-dev-shm-usage", "--user-data-dir=/run/home/chromium",
)  # fmt: skip
_FEW_PROCESSES: Final = {
    "fission.autostart": False,
    "dom.ipc.processCount": 1,
    "dom.ipc.processPrelaunch.enabled": False,
    "extensions.webextensions.remote": False,
}
"""Preferences with which Firefox starts fewer processes. Each takes many seconds under emulation."""
_PROFILE: Final = "/run/home/firefox"
Pixel = list[int]


@dataclass(frozen=True, slots=True)
class BrowserCommand:
    """A browser's name, and the command that opens an address."""

    name: str
    words: tuple[str, ...]


CHROMIUM: Final = BrowserCommand("Chromium", (str(BROWSER), *_OPTIONS))


def firefox(call: Call, *, pipewire: bool | None = None, variables: Mapping[str, str] | None = None) -> BrowserCommand:
    """Firefox with an empty profile. ``pipewire``: whether it uses PipeWire's cameras; None for its default."""
    preferences = {key: value for key, value in FIREFOX.items() if "pipewire" not in key} | _FEW_PROCESSES
    if pipewire is not None:
        preferences["media.webrtc.camera.allow-pipewire"] = pipewire
    lines = [f'user_pref("{key}", {json.dumps(value)});\n' for key, value in preferences.items()]
    call.guest.shell(f"rm -rf {_PROFILE}")
    call.guest.call("write", path=f"{_PROFILE}/user.js", text="".join(lines))
    environment = (f"{name}={value}" for name, value in (variables or {}).items())
    return BrowserCommand("Firefox", ("env", *environment, "firefox-esr", "--headless", "--no-remote", "--profile", _PROFILE))


class Browser:
    """The browser, and its page's reports so far."""

    def __init__(self, call: Call, command: BrowserCommand = CHROMIUM) -> None:
        self._call, self._name = call, command.name
        self._path = call.guest.share / "posted.json"
        self._path.unlink(missing_ok=True)
        guest = call.guest
        self._server = guest.start("python", "-m", "tests.system.inside.page", "livebg", f"/run/share/{self._path.name}")
        listening = f":{PORT:04X} "
        guest.wait_for("the page is served", lambda: listening in (guest.call("read", path="/proc/net/tcp") or ""))
        self.program = guest.start(*command.words, f"http://127.0.0.1:{PORT}/")

    @property
    def posted(self) -> list[dict[str, Any]]:
        """All reports of the page."""
        if self.program.code is not None:
            raise GuestError(f"{self._name} ended: {self.program.err[-600:]}")
        lines = self._path.read_bytes().split(b"\n") if self._path.exists() else []
        return [json.loads(line) for line in lines[:-1]]

    def waits_for(self, what: str, key: str, count: int = 1, after: int = 0) -> list[dict[str, Any]]:
        """Wait until the page has sent ``count`` reports with a key, not counting the first ``after``."""

        def posted() -> list[dict[str, Any]] | None:
            found = [each for each in self.posted[after:] if key in each]
            return found if len(found) >= count else None

        return self._call.guest.wait_for(what, posted) or []

    def frames(self, after: int = 0) -> list[dict[str, Any]]:
        """The frames that it saw, without those before that many reports."""
        return [each for each in self.posted[after:] if "pixels" in each]

    def composites(self, count: int, after: int) -> list[dict[str, Any]]:
        """Wait for that many frames with the selected color in place of the room."""

        def seen() -> list[dict[str, Any]] | None:
            found = [each for each in self.frames(after) if is_composite(each)]
            return found if len(found) >= count else None

        return self._call.guest.wait_for(f"{count} composites in {self._name}", seen) or []

    @property
    def composites_so_far(self) -> list[dict[str, Any]]:
        return [each for each in self.frames() if is_composite(each)]

    def close(self) -> list[dict[str, Any]]:
        """End it; all frames that it saw."""
        frames = self.frames() if self.program.code is None else []
        self.program.stop()
        self._server.stop()
        return frames


@contextmanager
def browsing(call: Call, command: BrowserCommand = CHROMIUM) -> Iterator[Browser]:
    """A browser watches, and shows nothing of the room."""
    browser = Browser(call, command)
    try:
        yield browser
    finally:
        frames = browser.close()
        leaks = [each for each in frames if not (is_composite(each) or is_placeholder(each) or is_black(each))]
        assert not leaks, f"{len(leaks)} of {len(frames)} frames show the room: {leaks[0]}"


def is_composite(frame: dict[str, Any]) -> bool:
    """Whether each pixel of the room has the selected color."""
    return all(_alike(pixel, list(ROOM)) for pixel in frame["pixels"][:-PERSON])


def is_placeholder(frame: dict[str, Any]) -> bool:
    """Whether each pixel is the placeholder's."""
    width, height = frame["width"], frame["height"]
    luma = draw_placeholder(width, height, COLOR)[:height]
    to_yuv = COLOR.rgb_to_yuv(height)
    found = [to_yuv[0, :3] @ pixel + to_yuv[0, 3] for pixel in frame["pixels"]]
    wanted = [int(luma[int(y * height), int(x * width)]) for x, y in POINTS]
    return all(abs(one - other) <= LEVELS for one, other in zip(found, wanted, strict=True))


def is_black(frame: dict[str, Any]) -> bool:
    """Whether it is all black, which neither the room nor anything of livebg's is: so browsers end a stream that breaks off."""
    return not any(value for pixel in frame["pixels"] for value in pixel)


def _alike(one: Pixel, other: Pixel) -> bool:
    return all(abs(a - b) <= LEVELS for a, b in zip(one, other, strict=True))
