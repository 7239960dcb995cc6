"""Presence by PipeWire's reports of its stream."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from livebg.config.settings import Output, Settings
from livebg.daemon.bootstrap import presence_factory
from livebg.live.presence.device import AlwaysWatched
from livebg.live.presence.pipewire import StreamPresence
from livebg.sinks.pipewire.stream import StreamingFlag
from tests.support.live_session import PATIENCE, wait_for

GRACE = 0.2


class Watcher:
    """A presence at work; ``seen`` are its verdicts."""

    def __init__(self, streaming: StreamingFlag, grace: float) -> None:
        self.seen: list[bool | None] = []
        self.presence = StreamPresence(streaming, lambda: None, self._changed, grace=grace)

    def _changed(self) -> None:
        self.seen.append(self.presence.watched)


@contextmanager
def watching(streaming: StreamingFlag, grace: float = GRACE) -> Iterator[Watcher]:
    watcher = Watcher(streaming, grace)
    thread = threading.Thread(target=watcher.presence.run)
    thread.start()
    try:
        yield watcher
    finally:
        watcher.presence.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive(), "the presence does not end"


def test_stream_is_unwatched_at_first() -> None:
    with watching(StreamingFlag()) as watcher:
        wait_for(lambda: watcher.seen == [False], "nobody watches")


def test_existing_viewer_is_detected() -> None:
    streaming = StreamingFlag()
    streaming.set(True)
    with watching(streaming) as watcher:
        wait_for(lambda: watcher.seen == [True], "an app watches")


def test_viewer_counts_immediately_and_until_grace_ends() -> None:
    streaming = StreamingFlag()
    with watching(streaming) as watcher:
        wait_for(lambda: watcher.seen == [False], "nobody watches")
        for _ in range(3):
            streaming.set(True)
            streaming.set(False)
        wait_for(lambda: watcher.seen == [False, True, False], "an app came, and left in the end")


def test_short_restart_is_ignored() -> None:
    streaming = StreamingFlag()
    streaming.set(True)
    with watching(streaming, grace=3600) as watcher:
        wait_for(lambda: watcher.seen == [True], "an app watches")
        streaming.set(False)
        streaming.set(True)
    assert watcher.seen == [True]


def test_stop_before_run_is_allowed() -> None:
    presence = StreamPresence(StreamingFlag(), lambda: None, lambda: None)
    presence.stop()
    presence.run()


@pytest.mark.parametrize("on_demand", [True, False])
def test_pipewire_backend_uses_stream_presence(on_demand: bool) -> None:
    settings = Settings(output=Output(backend="pipewire", on_demand=on_demand))
    presence = presence_factory(settings, StreamingFlag(), "pipewire")(lambda: None, lambda: None)
    assert isinstance(presence, StreamPresence if on_demand else AlwaysWatched)
