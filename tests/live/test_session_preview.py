"""Previews of the live session: they wake the camera as watchers do, and see only what is sent."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from livebg.compositing.composite import Consent
from livebg.daemon.preview_server import views
from livebg.imaging.frame import planes
from livebg.pipeline import Passthrough
from livebg.preview.client import PreviewClient, PreviewFrame
from tests.support.control_server import open_files
from tests.support.live_session import (
    PATIENCE,
    SIZE,
    all_counted,
    is_green,
    person_frame,
    person_mask,
    room_pattern,
    state,
    wait_for,
)
from tests.support.preview_session import ALL, PreviewSession


@pytest.fixture
def preview(runtime: Path) -> PreviewSession:
    return PreviewSession(runtime)


def live_picture(channel: PreviewClient, *names: str) -> PreviewFrame:
    """Request pictures until one is no placeholder."""
    seen: list[PreviewFrame] = []

    def look() -> bool:
        seen[:] = [channel.next_frame(names)]
        return bool(seen[0].pictures) and not seen[0].placeholder

    wait_for(look, "a live picture")
    return seen[0]


def test_preview_wakes_camera_and_lets_it_sleep(preview: PreviewSession) -> None:
    with preview.on():
        wait_for(lambda: preview.sink.composites, "a placeholder")
        assert state(preview.live) == "asleep"
        for opened in (1, 2, 3):
            with preview.channel() as channel:
                live_picture(channel, "composite")
                assert preview.live.snapshot().watched
                assert state(preview.live) == "live"
                assert len(preview.cameras) == opened
            wait_for(lambda: not preview.camera_open, "the camera's end")
            assert not preview.live.snapshot().watched
            assert state(preview.live) == "asleep"
    assert all_counted(preview.live)


def test_connection_alone_does_not_wake_camera(preview: PreviewSession) -> None:
    with preview.on(), preview.channel():
        wait_for(lambda: len(preview.sink.composites) > 2, "placeholders")
        assert not preview.cameras


def test_camera_stays_on_while_preview_or_reader_is_active(preview: PreviewSession) -> None:
    with preview.on():
        preview.watchers.set_watched(True)
        with preview.channel() as channel:
            live_picture(channel, "composite")
            preview.watchers.set_watched(False)
            live_picture(channel, "composite")
            assert preview.live.snapshot().watched
            preview.watchers.set_watched(True)
        wait_for(lambda: preview.live.audience.count == 0, "the preview's end")
        sent = preview.live.output.sent
        wait_for(lambda: preview.live.output.sent > sent + 5, "the person")
        assert len(preview.cameras) == 1
        preview.watchers.set_watched(False)
        wait_for(lambda: not preview.camera_open, "the camera's end")


def test_concurrent_previews_share_pictures_and_camera(preview: PreviewSession) -> None:
    with preview.on():
        with preview.channel() as one:
            with preview.channel() as other:
                for channel in (one, other):
                    live_picture(channel, "composite")
                assert preview.live.audience.count == 2
            live_picture(one, "composite")
            assert preview.live.snapshot().watched
        wait_for(lambda: not preview.camera_open, "the camera's end")


def test_preview_receives_bytes_that_were_sent(preview: PreviewSession) -> None:
    with preview.on():
        with preview.channel() as channel:
            pictures = [live_picture(channel, "composite").pictures["composite"] for _ in range(5)]
        sent = {composite.data.tobytes() for composite in preview.sink.composites}
        assert all(picture.data.tobytes() in sent for picture in pictures)
        assert any(is_green(composite) for composite in preview.sink.composites)
        assert planes(pictures[0].data)[0][40, 32] > 230
        assert pictures[0].color == preview.sink.composites[0].color


def test_matte_belongs_to_its_picture(preview: PreviewSession) -> None:
    with preview.on(), preview.channel() as channel:
        seen = live_picture(channel, "composite", "alpha")
        alpha, luma = seen.pictures["alpha"], seen.pictures["composite"].luma
        assert alpha.size == SIZE
        assert np.abs(alpha.luma / 255 - person_mask(*SIZE)).mean() < 0.02
        assert luma[alpha.luma == 255].min() > 230
        assert seen.age is not None
        assert 0 <= seen.age < PATIENCE


def test_original_is_frame_of_its_picture(preview: PreviewSession) -> None:
    with preview.on(), preview.channel() as channel:
        seen = live_picture(channel, *ALL)
        assert seen.pictures["original"].data.tobytes() == person_frame(0).data.tobytes()
        assert seen.pictures["composite"].data.tobytes() != person_frame(0).data.tobytes()
    assert not any(composite.data.tobytes() == person_frame(0).data.tobytes() for composite in preview.sink.composites)


def test_session_views_contain_nothing_of_the_room(runtime: Path) -> None:
    """The live session's own views, all of them: the command line's, which takes the user's word, is not there."""
    preview = PreviewSession(runtime, shows=views())
    room = room_pattern()[:20]
    with preview.on(), preview.channel() as channel:
        for _ in range(20):
            seen = live_picture(channel, *views())
            for picture in seen.pictures.values():
                values = picture.luma[:20].astype(np.float64)
                assert values.std() == 0 or abs(np.corrcoef(values.ravel(), room.ravel())[0, 1]) < 0.3


def test_paused_preview_shows_only_placeholder(preview: PreviewSession) -> None:
    with preview.on(), preview.channel() as channel:
        live_picture(channel, *ALL)
        preview.live.pause()
        channel.next_frame(ALL)  # may have been on its way
        for _ in range(5):
            seen = channel.next_frame(ALL)
            assert seen.placeholder
            assert set(seen.pictures) == {"composite"}
            assert seen.age is None
        assert state(preview.live) == "paused"
        assert not preview.camera_open
        preview.live.resume()
        live_picture(channel, *ALL)


def test_no_matte_while_effect_is_off(runtime: Path) -> None:
    preview = PreviewSession(runtime, build=lambda: Passthrough(Consent("a test")))
    with preview.on(), preview.channel() as channel:
        seen = live_picture(channel, "composite", "alpha")
        assert set(seen.pictures) == {"composite"}
        assert seen.pictures["composite"].data.tobytes() == person_frame(0).data.tobytes()


def test_old_pictures_are_dropped_after_output_loss(preview: PreviewSession) -> None:
    with preview.on(), preview.channel() as channel:
        live_picture(channel, "composite")
        preview.sink.broken.set()
        wait_for(lambda: preview.live.output.lost, "the loss")
        wait_for(lambda: channel.next_frame(["composite"]).number is None, "nothing new")
        with preview.channel() as late:
            assert late.next_frame(["composite"]).pictures == {}
        preview.sink.broken.clear()
        live_picture(channel, "composite")


def test_later_preview_sees_nothing_of_earlier_one(preview: PreviewSession) -> None:
    with preview.on():
        for _ in range(20):
            began = time.monotonic()
            with preview.channel() as channel:
                first = channel.next_frame(["composite"])
                # The camera has slept: what is live must be new.
                assert first.age is None or first.age < time.monotonic() - began
                live_picture(channel, "composite")
            wait_for(lambda: not preview.camera_open and preview.live.audience.count == 0, "the end")


def test_200_previews_leave_nothing_open(preview: PreviewSession) -> None:
    with preview.on():
        with preview.channel() as channel:
            live_picture(channel, "composite")
        wait_for(lambda: preview.live.audience.count == 0 and not preview.camera_open, "the first one's end")
        preview.watchers.set_watched(True)
        sent = preview.live.output.sent
        wait_for(lambda: preview.live.output.sent > sent, "the person")
        threads, files = threading.active_count(), open_files()
        for _ in range(200):
            with preview.channel() as channel:
                channel.next_frame(["composite"])
        wait_for(lambda: preview.live.audience.count == 0, "their ends")
        wait_for(lambda: threading.active_count() == threads and open_files() == files, "threads and descriptors as before")
        assert len(preview.cameras) == 2


def test_preview_ends_with_session(preview: PreviewSession) -> None:
    with preview.on(), preview.channel() as channel:
        live_picture(channel, "composite")
        preview.live.stop()
        wait_for(lambda: not channel.next_frame(["composite"]).pictures, "the end")
