"""Browsers find the camera "livebg" by its label; Chromium continues after a crash of livebg."""

import shutil
import signal

import pytest

from tests.system.browser import browsing, firefox
from tests.system.call import Call
from tests.system.inside.page import PERSON
from tests.system.pictures import BARS, LEVELS


def test_chromium_call_survives_daemon_crash(call: Call) -> None:
    call.running()
    call.becomes("asleep")
    call.camera_control("horizontal_movement=0")
    with browsing(call) as browser:
        listed = browser.waits_for("Chromium lists its cameras", "listed")[0]["listed"]
        assert "livebg" in listed, "before any app looks"
        opened = browser.waits_for("Chromium opens the camera", "opened")[0]
        assert opened["opened"] == "livebg"
        seen = browser.composites(5, after=0)
        assert {(each["width"], each["height"]) for each in seen} == {(320, 180)}
        call.guest.wait_for("it moves", lambda: len({str(each["pixels"][-PERSON:]) for each in browser.composites_so_far}) >= 3)
        call.camera_control("horizontal_movement=3")
        assert call.daemon is not None
        call.daemon.stop(signal.SIGKILL)
        call.start()
        again = browser.composites(3, after=len(browser.posted))
        for each in again:  # some points may be where two bars meet
            assert sum(is_bar(pixel) for pixel in each["pixels"][-PERSON:]) >= PERSON // 2, each
    call.becomes("asleep")


@pytest.mark.skipif(shutil.which("firefox-esr") is None, reason="firefox-esr is not installed")
def test_firefox_shows_composites(call: Call) -> None:
    call.running()
    call.becomes("asleep")
    with browsing(call, firefox(call)) as browser:
        opened = browser.waits_for("Firefox opens the camera", "opened")[0]
        assert opened["opened"] == "livebg"
        assert opened["labels"].count("livebg") == 1
        seen = browser.composites(5, after=0)
        assert {(each["width"], each["height"]) for each in seen} == {(320, 180)}
        for each in seen:
            assert sum(is_bar(pixel) for pixel in each["pixels"][-PERSON:]) >= PERSON // 2, each
    call.becomes("asleep")


def is_bar(pixel: list[int]) -> bool:
    """Whether it has one of the standard's colors."""
    return any(max(abs(one - other) for one, other in zip(pixel, bar, strict=True)) <= LEVELS for bar in BARS)
