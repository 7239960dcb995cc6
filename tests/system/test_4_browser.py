"""Chromium picks the camera "livebg" by its label, and goes on seeing it through a crash of livebg."""

import signal

from tests.system.browser import browsing
from tests.system.call import Call
from tests.system.inside.page import PERSON
from tests.system.pictures import BARS, LEVELS


def test_a_call_in_chromium(call: Call) -> None:
    call.running()
    call.becomes("asleep")
    call.camera_control("horizontal_movement=1")
    with browsing(call) as browser:
        listed = browser.waits_for("Chromium lists its cameras", "listed")[0]["listed"]
        assert "livebg" in listed, "before anybody looks"
        opened = browser.waits_for("Chromium opens the camera", "opened")[0]
        assert opened["opened"] == "livebg"
        seen = browser.composites(5, after=0)
        assert {(each["width"], each["height"]) for each in seen} == {(320, 180)}
        assert len({str(each["pixels"][-PERSON:]) for each in seen}) >= 3, "it moves"
        call.camera_control("horizontal_movement=3")
        assert call.daemon is not None
        call.daemon.stop(signal.SIGKILL)
        call.start()
        again = browser.composites(3, after=len(browser.told))
        bars = {tuple(pixel) for each in again for pixel in each["pixels"][-PERSON:]}
        assert all(any(max(abs(a - b) for a, b in zip(pixel, bar, strict=True)) <= LEVELS for bar in BARS) for pixel in bars)
    call.becomes("asleep")
