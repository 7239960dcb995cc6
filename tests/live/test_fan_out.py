"""Several outputs at once: their contract, failures of one of them, and that nothing ruled out appears later."""

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from livebg.compositing.composite import Consent
from livebg.config.settings import Output as OutputSettings
from livebg.config.settings import Settings
from livebg.daemon.bootstrap import presence_factory
from livebg.errors import SinkError
from livebg.imaging.frame import Composite
from livebg.interfaces import Sink
from livebg.live.fan_out import FanOutSink
from livebg.live.presence.combined import CombinedPresence
from livebg.live.session import Session
from livebg.live.stats import FailureLog
from livebg.pipeline import Passthrough
from livebg.sinks.pipewire.stream import StreamingFlag
from livebg.sinks.virtual_camera import NullSink
from tests.support.controller_harness import green_processor
from tests.support.live_session import (
    FakePresence,
    RecordingSink,
    ToyCamera,
    ends,
    running,
    shows_room,
    wait_for,
)
from tests.support.sink_contract import MakeSink, SinkContract, composite


class HangingSink(NullSink):
    """Waits in ``send`` while ``hangs`` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.hangs, self.entered, self.release = threading.Event(), threading.Event(), threading.Event()
        self.shown: list[Composite] = []

    def send(self, composite: Composite) -> None:
        if self.hangs.is_set():
            self.entered.set()
            self.release.wait(20)
        super().send(composite)
        self.shown.append(composite)


class BrokenSink(NullSink):
    def send(self, composite: Composite) -> None:
        super().send(composite)
        raise SinkError("It broke.", "Replace it.")


def fan_out(**sinks: Sink) -> FanOutSink:
    def opener(sink: Sink) -> Callable[[], Sink]:
        return lambda: sink

    return FanOutSink({name: opener(sink) for name, sink in sinks.items()}, FailureLog())


def sent(sink: NullSink, count: int) -> Callable[[], bool]:
    return lambda: sink.frames == count


class TestFanOut(SinkContract):
    @pytest.fixture
    def make_sink(self) -> MakeSink:
        return lambda: fan_out(one=NullSink(), two=NullSink())


def test_each_sink_receives_composites() -> None:
    one, two = NullSink(), NullSink()
    with fan_out(one=one, two=two) as sink:
        for count in range(5):
            sink.send(composite(count))
            wait_for(sent(one, count + 1), "one sink")
            wait_for(sent(two, count + 1), "the other sink")


def test_hung_sink_does_not_delay_other() -> None:
    hung, other = HangingSink(), NullSink()
    hung.hangs.set()
    with fan_out(hung=hung, other=other) as sink:
        for count in range(10):
            sink.send(composite(count))
            wait_for(sent(other, count + 1), "the other sink")
        assert hung.frames == 0
        hung.hangs.clear()
        hung.release.set()
        wait_for(lambda: hung.frames == 2, "the hung composite and the newest")
        assert [each.pts for each in hung.shown] == [0, 9]


def test_failed_sink_is_reported_and_retried() -> None:
    other = NullSink()
    with fan_out(broken=BrokenSink(), other=other) as sink:
        sink.send(composite(0))
        wait_for(lambda: sink.outlets[0].problem == "It broke. Replace it.", "the problem")
        wait_for(lambda: other.frames == 1, "the other sink")
        assert sink.outlets[1].problem is None
        sink.send(composite(1))
        wait_for(lambda: other.frames == 2, "the other sink")


def test_no_open_sink_is_an_error() -> None:
    def fail() -> Sink:
        raise SinkError("It is missing.", "Plug it in.")

    with pytest.raises(SinkError, match=r"It is missing\. Plug it in\. It is missing"):
        FanOutSink({"one": fail, "two": fail}, FailureLog())
    with FanOutSink({"one": fail, "two": NullSink}, FailureLog()) as sink:
        assert [outlet.problem for outlet in sink.outlets] == ["It is missing. Plug it in.", None]


def test_flush_drops_waiting_composite() -> None:
    hung, other = HangingSink(), NullSink()
    hung.hangs.set()
    with fan_out(hung=hung, other=other) as sink:
        sink.send(composite(0))
        assert hung.entered.wait(20)
        wait_for(lambda: other.frames == 1, "the other sink")
        sink.send(composite(1))
        wait_for(lambda: other.frames == 2, "the other sink")
        sink.flush()  # returns although one sink hangs
        hung.release.set()
        hung.hangs.clear()
        wait_for(lambda: hung.frames == 1, "the composite that was being written")
        sink.send(composite(2))
        wait_for(lambda: hung.frames == 2, "the next one")
        assert [each.pts for each in hung.shown] == [0, 2]


@pytest.fixture
def sinks() -> tuple[HangingSink, RecordingSink]:
    return HangingSink(), RecordingSink()


@pytest.mark.parametrize("command", ["pause", "switch"])
def test_hung_sink_shows_no_room_after_command(sinks: tuple[HangingSink, RecordingSink], command: str) -> None:
    """The room is visible with consent and a sink hangs. Once the command returns, that sink never shows the room again,
    except for the picture that it was writing."""
    hung, other = sinks

    def open_both() -> Sink:
        return FanOutSink({"hung": lambda: hung, "other": other.open}, FailureLog())

    camera, output = ends(ToyCamera, other)
    live = Session(camera, replace(output, open=open_both), lambda: Passthrough(Consent("a test")))
    with running(live):
        wait_for(lambda: any(map(shows_room, hung.shown)), "the room")
        hung.hangs.set()
        assert hung.entered.wait(20)
        before = len(other.composites)
        wait_for(lambda: len(other.composites) > before + 5, "more pictures")
        if command == "pause":
            live.pause()
        else:
            live.switch(green_processor, at_once=True)
        hung.hangs.clear()
        before = len(hung.shown)
        hung.release.set()
        wait_for(lambda: len(hung.shown) > before + 3, "pictures in the sink that hung")
        assert not any(map(shows_room, hung.shown[before + 1 :]))


class TestPresence:
    @pytest.fixture
    def presence(self) -> CombinedPresence:
        self.parts: list[FakePresence] = []

        def part(device: object, changed: object) -> FakePresence:
            self.parts.append(FakePresence(device, changed))  # type: ignore[arg-type]
            return self.parts[-1]

        return CombinedPresence((part, part), lambda: "/dev/video10, PipeWire node 42", lambda: None)

    def test_watched_if_one_output_is(self, presence: CombinedPresence) -> None:
        one, two = self.parts
        one.watched = two.watched = None
        assert presence.watched is None
        one.watched = two.watched = False
        assert presence.watched is False
        two.watched = True
        assert presence.watched is True

    def test_both_outputs_are_monitored(self) -> None:
        found = presence_factory(Settings(output=OutputSettings(backend="both")), StreamingFlag())
        assert isinstance(found(lambda: None, lambda: None), CombinedPresence)
