"""Both outputs: PipeWire programs with the rule of ``livebg setup --both``, and the lists of cameras, each with livebg once."""

import shutil
from collections import Counter
from collections.abc import Iterator
from ctypes.util import find_library
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.system.browser import Browser, browsing, firefox
from tests.system.call import NODE, SIZE, Call
from tests.system.debian import Unavailable
from tests.system.desktop import Desktop, desktop_with_both_cameras
from tests.system.pictures import PictureClassifier
from tests.system.portal import camera_portal
from tests.system.stable import obs_root, wireplumber_04_root

_FIREFOX = pytest.mark.skipif(shutil.which("firefox-esr") is None, reason="firefox-esr is not installed")


@pytest.fixture(scope="module")
def desktop(call: Call) -> Iterator[Desktop]:
    """livebg runs with both cameras; WirePlumber starts after it: 0.4, or with the stable release's kernel that release's."""
    if find_library("pipewire-0.3") is None:
        pytest.skip("livebg's camera needs libpipewire-0.3-0, which is not installed")
    try:
        root = call.guest.parts.root or wireplumber_04_root()
    except Unavailable as error:
        pytest.skip(f"no WirePlumber: {error}")
    with desktop_with_both_cameras(call, root) as desktop:
        call.running()
        desktop.restart_wireplumber()
        yield desktop


def test_pipewire_programs_list_livebg_once(call: Call, desktop: Desktop) -> None:
    """And not the device, which WirePlumber lists without the rule."""
    assert desktop.livebg_cameras() == [None]
    assert call.doctor()["listed once"]["status"] == "ok"
    with desktop.without_rule():
        assert desktop.livebg_cameras() == [NODE, None]
        found = call.doctor()["listed once"]
        assert (found["status"], found["fix"]) == ("warn", "livebg setup --both")
    assert desktop.livebg_cameras() == [None]


def test_wireplumber_is_no_viewer(call: Call, desktop: Desktop) -> None:
    """Not even without the rule, when it opens the device to examine it."""
    opened = call.becomes("asleep")["camera"]["opened"]
    with desktop.without_rule():
        assert NODE in desktop.livebg_cameras()
        assert not desktop.holds(NODE)
        status = call.status()
    assert status["state"] == "asleep"
    assert watched(status) == {"v4l2loopback": False, "pipewire": False}
    assert status["camera"]["opened"] == opened


def test_readers_of_both_outputs_see_composites(call: Call, desktop: Desktop) -> None:
    """At the same time, with the real camera opened once; it stays open until the last reader ends."""
    opened = call.becomes("asleep")["camera"]["opened"]
    file = call.guest.share / "pipewire.yuv"
    with desktop.reading(f"/run/share/{file.name}") as reader:
        call.guest.wait_for("composites through PipeWire", lambda: kinds(file)["composite"] >= 3, alive=reader)
        with call.watching() as watcher:
            watcher.sees("composite")
            both = {"v4l2loopback": True, "pipewire": True}
            call.guest.wait_for("both outputs are watched", lambda: watched(call.status()) == both)
        before = kinds(file)["composite"]
        call.guest.wait_for("further composites", lambda: kinds(file)["composite"] >= before + 3, alive=reader)
    assert "leak" not in kinds(file)  # a torn picture is possible: livebg takes a buffer back from a reader that is too slow
    assert call.becomes("asleep")["camera"]["opened"] == opened + 1


def test_chromium_lists_livebg_once(call: Call, desktop: Desktop) -> None:  # noqa: ARG001
    """It opens devices itself, so the rule does not concern it."""
    browser = Browser(call)
    try:
        listed = browser.waits_for("Chromium lists its cameras", "listed")[0]["listed"]
    finally:
        browser.close()
    assert sorted(listed) == ["livebg", "vivid"]


@_FIREFOX
@pytest.mark.parametrize("pipewire", [None, True])
def test_firefox_lists_and_shows_livebg_once(call: Call, desktop: Desktop, pipewire: bool | None) -> None:  # noqa: ARG001
    """It opens devices itself: by default, and with its setting for PipeWire on a desktop without a camera portal."""
    with browsing(call, firefox(call, pipewire=pipewire)) as browser:
        opened = browser.waits_for("Firefox opens the camera", "opened")[0]
        assert opened["opened"] == "livebg"
        assert sorted(opened["labels"]) == ["livebg", "vivid"]
        seen = browser.composites(3, after=0)
        assert {(each["width"], each["height"]) for each in seen} == {(320, 180)}
        assert watched(call.status()) == {"v4l2loopback": True, "pipewire": False}
    call.becomes("asleep")


@_FIREFOX
def test_firefox_lists_livebg_once_through_portal(call: Call, desktop: Desktop) -> None:
    """With its setting for PipeWire on a desktop with a portal: the PipeWire camera, and not the device."""
    if call.guest.parts.root is None:
        pytest.skip("the portal is one of the stable release; see LIVEBG_SYSTEM_KERNEL")
    try:
        root = obs_root()
    except Unavailable as error:
        pytest.skip(f"no portal: {error}")
    with (
        camera_portal(call.guest, desktop, root) as variables,
        browsing(call, firefox(call, pipewire=True, variables=variables)) as browser,
    ):
        opened = browser.waits_for("Firefox opens the camera", "opened")[0]
        assert opened["opened"] == "livebg"
        assert opened["labels"].count("livebg") == 1
        browser.composites(3, after=0)
        assert watched(call.status()) == {"v4l2loopback": False, "pipewire": True}
    call.becomes("asleep")


def kinds(file: Path) -> Counter[str]:
    """How many pictures of each kind a file of I420 has until now."""
    size = SIZE[0] * SIZE[1] * 3 // 2
    data = np.frombuffer(file.read_bytes() if file.exists() else b"", np.uint8)
    return Counter(map(PictureClassifier(*SIZE).kind, data[: data.size // size * size].reshape(-1, size)))


def watched(status: dict[str, Any]) -> dict[str, bool]:
    """Whether programs use each of livebg's outputs."""
    return {each["backend"]: each["watched"] for each in status["outputs"]}
