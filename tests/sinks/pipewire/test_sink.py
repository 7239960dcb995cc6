"""The PipeWire camera in a real PipeWire with a real WirePlumber, read by GStreamer."""

import itertools
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from livebg.errors import SinkError
from livebg.imaging.colorspace import convert_i420
from livebg.imaging.frame import BT601, BT709, ColorSpec, VideoFormat
from livebg.interfaces import Sink
from livebg.sinks.pipewire.stream import StreamingFlag
from livebg.sinks.virtual_camera import VirtualCameraSink, open_virtual_camera
from tests.support.pipewire_desktop import PATIENCE, Desktop, Viewer, missing_tools
from tests.support.sink_contract import HEIGHT, WIDTH, MakeSink, SinkContract, composite
from tests.support.waiting import wait_until

_MISSING = missing_tools()
pytestmark = [pytest.mark.pipewire, pytest.mark.skipif(_MISSING is not None, reason=str(_MISSING))]
SIZE = (WIDTH, HEIGHT)
RATE = 50
_MOMENT = 0.1
"""Seconds: a viewer that is back so soon was never away."""
FORMAT = VideoFormat(*SIZE, Fraction(RATE), ColorSpec(BT601, BT601, BT601))


def opened(streaming: StreamingFlag | None = None) -> Sink:
    return open_virtual_camera("pipewire", "livebg", FORMAT, streaming=streaming)


class CameraSender:
    """A camera to which a thread sends pictures until it is closed, each with another luma; ``streaming`` knows of viewers."""

    def __init__(self) -> None:
        self.streaming = StreamingFlag()
        self._heard: list[tuple[float, bool]] = []
        self.streaming.listener = lambda there: self._heard.append((time.monotonic(), there))
        self.sink = opened(self.streaming)
        self.sent = 0
        self.error: SinkError | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    @property
    def heard(self) -> list[bool]:
        """Wait for a reported start or end of streaming; GStreamer 1.26 stops for a moment as it starts."""
        found: list[tuple[float, bool]] = []
        for at, there in self._heard:
            if there and found and at - found[-1][0] < _MOMENT:
                found.pop()
            else:
                found.append((at, there))
        return [there for _, there in found]

    def _run(self) -> None:
        try:
            while not self._stop.wait(1 / RATE):
                self.sink.send(composite(self.sent, color=FORMAT.color))
                self.sent += 1
        except SinkError as error:
            self.error = error

    def close(self) -> None:
        self._stop.set()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "sending hangs"
        self.sink.close()


def links(desktop: Desktop) -> list[dict[str, Any]]:
    """The connections between a camera and a viewer."""
    return [each for each in desktop.dump() if each["type"] == "PipeWire:Interface:Link"]


@contextmanager
def sending() -> Iterator[CameraSender]:
    sender = CameraSender()
    try:
        yield sender
    finally:
        sender.close()


def count(place: str) -> int:
    """How many descriptors (``fd``) or threads (``task``) this process has."""
    return len(list(Path("/proc/self", place).iterdir()))


@pytest.mark.usefixtures("desktop")
class TestContract(SinkContract):
    @pytest.fixture
    def make_sink(self) -> MakeSink:
        return opened


def test_camera_has_name_and_format(desktop: Desktop) -> None:
    with open_virtual_camera("pipewire", "My room", FORMAT) as sink:
        assert isinstance(sink, VirtualCameraSink)
        node = desktop.node("My room")
        assert node is not None
        properties: dict[str, Any] = node["props"]
        assert properties["node.description"] == "My room"
        assert properties["media.class"] == "Video/Source"
        assert properties["media.role"] == "Camera"
        assert sink.device == f"PipeWire node {properties['object.id']}"
        formats = node["params"]["EnumFormat"]
        assert [offered["format"] for offered in formats] == ["I420", "YUY2"]
        for offered in formats:
            assert offered["mediaType"] == "video"
            assert offered["mediaSubtype"] == "raw"
            assert offered["size"] == {"width": WIDTH, "height": HEIGHT}
            assert offered["framerate"] == {"num": RATE, "denom": 1}
            assert {"colorRange", "colorMatrix", "transferFunction", "colorPrimaries"} <= offered.keys()
    wait_until(lambda: desktop.node("My room") is None, "the camera is gone")


def test_viewer_receives_exact_pictures_in_order(desktop: Desktop) -> None:
    with sending(), Viewer(desktop, SIZE) as viewer:
        seen = viewer.sees(20)
    lumas = seen[:, 0, 0].astype(int)
    for picture, luma in zip(seen, lumas, strict=True):
        assert 40 <= luma < 200
        np.testing.assert_array_equal(picture, composite(0, luma=int(luma)).data)
    assert set(np.diff(lumas) % 160) <= {1, 2, 3}, "pictures come in their order, and nearly all of them"


def test_viewers_of_both_formats_receive_same_pictures(desktop: Desktop) -> None:
    """One after the other."""
    shown = np.random.default_rng(1).integers(16, 236, (HEIGHT * 3 // 2, WIDTH), np.uint8)
    u, v = (np.repeat(plane, 2, axis=0) for plane in shown[HEIGHT:].reshape(2, HEIGHT // 2, WIDTH // 2))
    packed = np.stack((shown[:HEIGHT, 0::2], u, shown[:HEIGHT, 1::2], v), axis=2).reshape(-1, WIDTH)
    streaming = StreamingFlag()
    times = itertools.count()
    with opened(streaming) as sink:
        for pixel_format, wanted in (("YUY2", packed), ("I420", shown), ("YUY2", packed)):
            wait_until(lambda: not streaming.now, "no viewer is there")
            with Viewer(desktop, SIZE, pixel_format=pixel_format) as viewer:
                np.testing.assert_array_equal(receive(viewer, sink, shown, times), wanted)


def test_viewer_of_other_format_does_not_disturb_first_one(desktop: Desktop) -> None:
    """It cannot join: a camera has one format at a time."""
    with sending() as sender, Viewer(desktop, SIZE) as first:
        first.sees(5)
        with Viewer(desktop, SIZE, pixel_format="YUY2") as second:
            wait_until(lambda: second.program.poll() is not None, "the second one is refused")
            assert not len(second.pictures)
        first.sees(5)
        assert sender.error is None


def receive(viewer: Viewer, sink: Sink, picture: NDArray[np.uint8], times: Iterator[int]) -> NDArray[np.uint8]:
    """Send a picture, at the next times, until a viewer has it."""
    deadline = time.monotonic() + PATIENCE
    while not len(viewer.pictures):
        assert time.monotonic() < deadline, "no picture came"
        sent = composite(next(times), color=FORMAT.color)
        sent.data[:] = picture
        sink.send(sent)
        time.sleep(1 / RATE)
    received: NDArray[np.uint8] = viewer.pictures[0]
    return received


def test_other_colors_are_converted(desktop: Desktop) -> None:
    given, wanted = ColorSpec(BT709, BT709, BT709), ColorSpec(BT601, BT709, BT709)
    picture = composite(0, luma=100, color=given).data
    picture[HEIGHT:] = 160
    with opened() as sink, Viewer(desktop, SIZE) as viewer:
        deadline = time.monotonic() + PATIENCE
        pts = 0
        while not len(viewer.pictures) and time.monotonic() < deadline:
            one = composite(pts, luma=100, color=given)
            one.data[HEIGHT:] = 160
            sink.send(one)
            pts += 1
            time.sleep(1 / RATE)
        seen = viewer.pictures[0]
    np.testing.assert_array_equal(seen, convert_i420(picture, given, wanted))
    assert abs(int(seen[0, 0]) - 100) > 3, "the matrices differ here"


def test_successive_viewers_receive_pictures(desktop: Desktop) -> None:
    with sending() as sender:
        for number in range(4):
            with Viewer(desktop, SIZE) as viewer:
                assert len(viewer.sees(10)) >= 10
                if number == 1:
                    viewer.program.kill()  # it takes its buffers with it
            wait_until(lambda: not sender.streaming.now, "nobody looks any more")
            time.sleep(2 * _MOMENT)
        assert sender.heard == [True, False] * 4


def test_concurrent_viewers_receive_pictures(desktop: Desktop) -> None:
    with sending() as sender, Viewer(desktop, SIZE) as first:
        first.sees(5)
        with Viewer(desktop, SIZE) as second, Viewer(desktop, SIZE) as third:
            for viewer in (second, third, first):
                viewer.sees(10)
        first.sees(10)
        assert sender.heard == [True]
    assert sender.error is None


def test_viewers_that_keep_buffers_do_not_starve_others(desktop: Desktop) -> None:
    with sending() as sender, Viewer(desktop, SIZE) as faithful:
        faithful.sees(5)
        for _ in range(2):
            before = len(links(desktop))
            with Viewer(desktop, SIZE, hoarding=True) as hoarding:
                wait_until(lambda: len(links(desktop)) > before, "it is there")  # noqa: B023 - called at once
                faithful.sees(2 * RATE)
                hoarding.program.kill()
        faithful.sees(RATE)
        with Viewer(desktop, SIZE) as late:
            late.sees(5)
        assert sender.heard == [True]


def test_hung_viewer_blocks_nobody(desktop: Desktop) -> None:
    with sending() as sender, Viewer(desktop, SIZE) as hung:
        hung.sees(5)
        hung.program.send_signal(signal.SIGSTOP)
        try:
            before = sender.sent
            wait_until(lambda: sender.sent > before + 3 * RATE, "pictures go on being sent")
        finally:
            hung.program.send_signal(signal.SIGCONT)
        assert int(hung.sees(10)[-1, 0, 0]) - 40 in {(sender.sent - late) % 160 for late in range(10)}, (
            "no older pictures wait for it"
        )


def test_new_viewer_receives_no_old_pictures(desktop: Desktop) -> None:
    with sending() as sender:
        for _ in range(2):
            with Viewer(desktop, SIZE) as viewer:
                viewer.sees(5)
            wait_until(lambda: not sender.streaming.now, "nobody looks any more")
            left = sender.sent
            wait_until(lambda: sender.sent > left + RATE, "time goes by")  # noqa: B023 - called at once
            before = sender.sent
            with Viewer(desktop, SIZE) as viewer:
                first = int(viewer.sees(1)[0, 0, 0]) - 40
            assert first in {number % 160 for number in range(before, sender.sent)}


def test_pictures_are_dropped_without_viewer(desktop: Desktop) -> None:
    with sending() as sender:
        wait_until(lambda: sender.sent > RATE, "pictures are sent")
        node = desktop.node("livebg")
        assert node is not None
        assert node["state"] in ("suspended", "idle")
        assert sender.heard == []


def test_sending_fails_after_pipewire_ends_and_recovers(desktop: Desktop) -> None:
    with sending() as sender, Viewer(desktop, SIZE) as viewer:
        viewer.sees(3)
        desktop.stop()
        try:
            wait_until(lambda: sender.error is not None, "the loss is reported")
            assert str(sender.error).startswith("PipeWire has closed the connection (")
            assert not sender.streaming.now, "nobody can watch what is not there"
            with pytest.raises(
                SinkError, match=r"PipeWire is not running for this user .*\. Start it with `systemctl --user start"
            ):
                opened()
        finally:
            desktop.start()
    with sending(), Viewer(desktop, SIZE) as viewer:
        viewer.sees(5)


def test_unresponsive_pipewire_fails(desktop: Desktop) -> None:
    daemon = desktop.programs[0]
    daemon.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(SinkError, match="PipeWire did not accept the camera within"):
            opened()
    finally:
        daemon.send_signal(signal.SIGCONT)


@pytest.mark.usefixtures("desktop")
def test_closed_camera_leaves_nothing_open() -> None:
    opened().close()  # allocates what the library never frees
    descriptors, threads = count("fd"), count("task")
    for _ in range(5):
        opened().close()
    assert count("fd") == descriptors
    wait_until(lambda: count("task") == threads, "its threads have ended")
