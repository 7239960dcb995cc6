"""Previews of the live session: they wake the camera as whoever watches does, and see what is sent, and no more."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from livebg.compositing.composite import Consent
from livebg.daemon.preview_server import views
from livebg.imaging.frame import planes
from livebg.live.snapshot import State
from livebg.pipeline import Passthrough
from livebg.preview.client import PreviewClient, PreviewFrame
from tests.support.control_server import open_files
from tests.support.fake_daemon import runtime_folder_of_ones_own
from tests.support.live_session import PATIENCE, SIZE, all_counted, filmed, is_green, person_mask, room_pattern, state, wait_for
from tests.support.preview_session import ALL, Stage


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with runtime_folder_of_ones_own(monkeypatch) as folder:
        yield folder


@pytest.fixture
def stage(folder: Path) -> Stage:
    return Stage(folder)


def live_picture(channel: PreviewClient, *names: str) -> PreviewFrame:
    """Looks until it is no placeholder."""
    seen: list[PreviewFrame] = []

    def look() -> bool:
        seen[:] = [channel.next_frame(names)]
        return bool(seen[0].pictures) and not seen[0].placeholder

    wait_for(look, "a live picture")
    return seen[0]


def test_a_preview_wakes_the_camera_and_lets_it_sleep(stage: Stage) -> None:
    with stage.on():
        wait_for(lambda: stage.sink.composites, "a placeholder")
        assert state(stage.live) is State.ASLEEP
        for opened in (1, 2, 3):
            with stage.channel() as channel:
                live_picture(channel, "composite")
                assert stage.live.snapshot().watched
                assert state(stage.live) is State.LIVE
                assert len(stage.cameras) == opened
            wait_for(lambda: not stage.camera_open, "the camera's end")
            assert not stage.live.snapshot().watched
            assert state(stage.live) is State.ASLEEP
    assert all_counted(stage.live)


def test_who_merely_connects_wakes_nothing(stage: Stage) -> None:
    with stage.on(), stage.channel():
        wait_for(lambda: len(stage.sink.composites) > 2, "placeholders")
        assert not stage.cameras


def test_the_camera_stays_on_as_long_as_either_watches(stage: Stage) -> None:
    with stage.on():
        stage.watchers.say(True)
        with stage.channel() as channel:
            live_picture(channel, "composite")
            stage.watchers.say(False)
            live_picture(channel, "composite")
            assert stage.live.snapshot().watched
            stage.watchers.say(True)
        wait_for(lambda: stage.live.audience.count == 0, "the preview's end")
        sent = stage.live.output.sent
        wait_for(lambda: stage.live.output.sent > sent + 5, "the person")
        assert len(stage.cameras) == 1
        stage.watchers.say(False)
        wait_for(lambda: not stage.camera_open, "the camera's end")


def test_two_previews_at_once_see_the_same_pictures_and_the_last_lets_the_camera_sleep(stage: Stage) -> None:
    with stage.on():
        with stage.channel() as one:
            with stage.channel() as other:
                for channel in (one, other):
                    live_picture(channel, "composite")
                assert stage.live.audience.count == 2
            live_picture(one, "composite")
            assert stage.live.snapshot().watched
        wait_for(lambda: not stage.camera_open, "the camera's end")


def test_a_preview_sees_the_bytes_that_calls_see(stage: Stage) -> None:
    with stage.on():
        with stage.channel() as channel:
            pictures = [live_picture(channel, "composite").pictures["composite"] for _ in range(5)]
        sent = {composite.data.tobytes() for composite in stage.sink.composites}
        assert all(picture.data.tobytes() in sent for picture in pictures)
        assert any(is_green(composite) for composite in stage.sink.composites)
        assert planes(pictures[0].data)[0][40, 32] > 230
        assert pictures[0].color == stage.sink.composites[0].color


def test_the_matte_is_the_one_that_the_picture_was_made_with(stage: Stage) -> None:
    with stage.on(), stage.channel() as channel:
        seen = live_picture(channel, "composite", "alpha")
        alpha, luma = seen.pictures["alpha"], seen.pictures["composite"].luma
        assert alpha.size == SIZE
        assert np.abs(alpha.luma / 255 - person_mask(*SIZE)).mean() < 0.02
        assert luma[alpha.luma == 255].min() > 230
        assert seen.age is not None
        assert 0 <= seen.age < PATIENCE


def test_the_original_is_the_frame_of_that_picture(stage: Stage) -> None:
    with stage.on(), stage.channel() as channel:
        seen = live_picture(channel, *ALL)
        assert seen.pictures["original"].data.tobytes() == filmed(0).data.tobytes()
        assert seen.pictures["composite"].data.tobytes() != filmed(0).data.tobytes()
    assert not any(composite.data.tobytes() == filmed(0).data.tobytes() for composite in stage.sink.composites)


def test_without_the_word_for_it_no_byte_of_the_room_goes_out(folder: Path) -> None:
    """The live session's own views, all of them: the command line's, which takes the user's word, is not there."""
    stage = Stage(folder, shows=views())
    room = room_pattern()[:20]
    with stage.on(), stage.channel() as channel:
        for _ in range(20):
            seen = live_picture(channel, *views())
            for picture in seen.pictures.values():
                values = picture.luma[:20].astype(np.float64)
                assert values.std() == 0 or abs(np.corrcoef(values.ravel(), room.ravel())[0, 1]) < 0.3


def test_a_paused_livebg_shows_its_placeholder_and_nothing_beside_it(stage: Stage) -> None:
    with stage.on(), stage.channel() as channel:
        live_picture(channel, *ALL)
        stage.live.pause()
        channel.next_frame(ALL)  # may have been on its way
        for _ in range(5):
            seen = channel.next_frame(ALL)
            assert seen.placeholder
            assert set(seen.pictures) == {"composite"}
            assert seen.age is None
        assert state(stage.live) is State.PAUSED
        assert not stage.camera_open
        stage.live.resume()
        live_picture(channel, *ALL)


def test_there_is_no_matte_where_the_effect_is_off(folder: Path) -> None:
    stage = Stage(folder, build=lambda: Passthrough(Consent("a test")))
    with stage.on(), stage.channel() as channel:
        seen = live_picture(channel, "composite", "alpha")
        assert set(seen.pictures) == {"composite"}
        assert seen.pictures["composite"].data.tobytes() == filmed(0).data.tobytes()


def test_what_was_sent_before_an_output_was_lost_is_not_seen_any_more(stage: Stage) -> None:
    with stage.on(), stage.channel() as channel:
        live_picture(channel, "composite")
        stage.sink.broken.set()
        wait_for(lambda: stage.live.output.lost, "the loss")
        wait_for(lambda: channel.next_frame(["composite"]).number is None, "nothing new")
        with stage.channel() as late:
            assert late.next_frame(["composite"]).pictures == {}
        stage.sink.broken.clear()
        live_picture(channel, "composite")


def test_nothing_of_an_earlier_preview_is_there_for_a_later_one(stage: Stage) -> None:
    with stage.on():
        for _ in range(20):
            began = time.monotonic()
            with stage.channel() as channel:
                first = channel.next_frame(["composite"])
                # The camera has slept: what is live must be new.
                assert first.age is None or first.age < time.monotonic() - began
                live_picture(channel, "composite")
            wait_for(lambda: not stage.camera_open and stage.live.audience.count == 0, "the end")


def test_two_hundred_previews_leave_nothing_behind(stage: Stage) -> None:
    with stage.on():
        with stage.channel() as channel:
            live_picture(channel, "composite")
        wait_for(lambda: stage.live.audience.count == 0 and not stage.camera_open, "the first one's end")
        stage.watchers.say(True)
        sent = stage.live.output.sent
        wait_for(lambda: stage.live.output.sent > sent, "the person")
        threads, files = threading.active_count(), open_files()
        for _ in range(200):
            with stage.channel() as channel:
                channel.next_frame(["composite"])
        wait_for(lambda: stage.live.audience.count == 0, "their ends")
        wait_for(lambda: threading.active_count() == threads and open_files() == files, "threads and descriptors as before")
        assert len(stage.cameras) == 2


def test_looking_ends_with_the_session(stage: Stage) -> None:
    with stage.on(), stage.channel() as channel:
        live_picture(channel, "composite")
        stage.live.stop()
        wait_for(lambda: not channel.next_frame(["composite"]).pictures, "the end")
