"""Two virtual cameras receive the same composites, and neither delays the other, however it fails."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import pytest

from livebg.compositing.composite import Consent, Placeholder
from livebg.errors import SinkError
from livebg.imaging.frame import Composite
from livebg.imaging.geometry import Geometry
from livebg.live.capture_loop import Camera
from livebg.live.frame_path import CompositeHold, OutputFrame
from livebg.live.output_loop import Output
from livebg.live.presence.device import AlwaysWatched, PresenceFactory
from livebg.live.preview_feed import PreviewFeed
from livebg.live.session import Session
from livebg.live.threads import SEND_TIMEOUT_S, SendBarrier
from livebg.pipeline import Passthrough, Processor
from tests.soak.virtual_time import VirtualTime
from tests.support.live_session import (
    FORMAT,
    PATIENCE,
    SIZE,
    TICKS,
    FakePresence,
    RecordingSink,
    ToyCamera,
    green_processor,
    is_green,
    reason,
    running,
    shows_room,
    state,
    wait_for,
)


class HangingSink(RecordingSink):
    """Hangs in the next send while ``hangs`` is set, until it is cleared; ``hanging`` is set meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.hangs, self.hanging, self.released = threading.Event(), threading.Event(), threading.Event()

    def send(self, composite: Composite) -> None:
        if self.hangs.is_set():
            self.hanging.set()
            self.released.wait(PATIENCE)
        super().send(composite)

    def release(self) -> None:
        self.hangs.clear()
        self.released.set()


def make(
    *sinks: RecordingSink,
    build: Callable[[], Processor] = green_processor,
    presence: tuple[PresenceFactory, ...] = (AlwaysWatched, AlwaysWatched),
) -> Session:
    camera = Camera(ToyCamera, lambda _: Geometry(SIZE))
    first, *further = (Output(sink.open, FORMAT, by) for sink, by in zip(sinks, presence, strict=True))
    return Session(camera, first, build, further_outputs=further)


@contextmanager
def hanging(live: Session, sink: HangingSink) -> Iterator[None]:
    """Runs the session; inside the block ``sink`` hangs while it sends the person."""
    with running(live):
        wait_for(lambda: sink.people > 5, "people on the output that will hang")
        sink.hangs.set()
        wait_for(sink.hanging.is_set, "the hang")
        try:
            yield
        finally:
            sink.release()


def test_outputs_show_same_composites() -> None:
    first, second = RecordingSink(), RecordingSink()
    live = make(first, second)
    with running(live):
        wait_for(lambda: first.people > 20 and second.people > 20, "people on both")
        assert [each.fps > 0 for each in live.snapshot().outputs] == [True, True]
    shared = {id(shown.data) for shown in first.composites if is_green(shown)} & {id(shown.data) for shown in second.composites}
    assert len(shared) > 10, "both get the same pictures, without a copy"


@pytest.mark.parametrize("hung", [0, 1])
def test_hung_output_does_not_delay_the_other(hung: int) -> None:
    sinks = [RecordingSink(), RecordingSink()]
    stuck = sinks[hung] = HangingSink()
    other, live = sinks[1 - hung], make(*sinks)
    with hanging(live, stuck):
        before = other.people
        wait_for(lambda: live.snapshot().outputs[hung].hung, "the hang in the status")
        wait_for(lambda: other.people > before + 30, "people on the other output")
        assert state(live) == "live"
        with live.audience.subscribe():
            shown = live.audience.wait_for_newer(None, PATIENCE)
            assert shown is not None, "the preview shows what the other output sends"
            assert live.snapshot().outputs[hung].hung, "it still hangs"
    assert other.longest_silence < 1.5


@pytest.mark.parametrize("hung", [0, 1])
def test_pause_returns_despite_hung_output_and_holds_for_both(hung: int) -> None:
    sinks = [RecordingSink(), RecordingSink()]
    stuck = sinks[hung] = HangingSink()
    live = make(*sinks)
    with hanging(live, stuck):
        live.pause()
        counts = [len(sink.composites) for sink in sinks]
        stuck.release()
        wait_for(lambda: all(len(sink.composites) > count + 5 for sink, count in zip(sinks, counts, strict=True)), "pictures")
        later = [sink.composites[count:] for sink, count in zip(sinks, counts, strict=True)]
        assert not any(map(is_green, later[1 - hung]))
        assert not any(map(is_green, later[hung][1:])), "only the picture that was under way when it hung"


RULE_OUT: dict[str, Callable[[Session], object]] = {
    "pause": lambda live: live.pause(),
    "lock": lambda live: live.lock(True),
    "effect on": lambda live: live.switch(green_processor, at_once=True),
}
"""What rules out the pictures that were made before."""


@pytest.mark.parametrize("how", RULE_OUT)
def test_previews_get_no_earlier_picture_after_it_was_ruled_out(how: str) -> None:
    """Also if the output hangs, so that no placeholder follows."""
    sink = HangingSink()
    live = make(sink, presence=(AlwaysWatched,))
    with live.audience.subscribe(), hanging(live, sink):
        assert live.audience.wait_for_newer(None, PATIENCE) is not None
        RULE_OUT[how](live)
        shown = live.audience.wait_for_newer(None, 0)
        assert shown is None or shown.captured is None


@pytest.mark.parametrize("earlier", [False, True])
def test_new_preview_of_a_hung_output_gets_no_earlier_picture(earlier: bool) -> None:
    """Whether or not another preview was open when it was sent."""
    sink = HangingSink()
    live = make(sink, presence=(AlwaysWatched,))
    with ExitStack() as previews:
        if earlier:
            previews.enter_context(live.audience.subscribe())
        with hanging(live, sink):
            previews.close()
            with live.audience.subscribe():
                assert live.audience.wait_for_newer(None, 0) is None


def test_closed_feed_has_no_picture() -> None:
    """The outputs send a few more pictures while the session ends."""
    feed, sent = PreviewFeed(lambda _: None, lambda _: True), OutputFrame(Placeholder(*SIZE, FORMAT.color).at(0, TICKS))
    with feed.subscribe():
        feed.publish(sent)
        assert feed.wait_for_newer(None, 0) is not None
        feed.close()
        assert feed.wait_for_newer(None, 0) is None
        feed.publish(sent)
        assert feed.wait_for_newer(None, 0) is None


class SteppedSink(RecordingSink):
    """While ``stepped`` is set, each send reports its begin and waits until it may end."""

    def __init__(self) -> None:
        super().__init__()
        self.stepped = threading.Event()
        self.begun, self.may_end = threading.Semaphore(0), threading.Semaphore(0)

    def send(self, composite: Composite) -> None:
        if self.stepped.is_set():
            self.begun.release()
            self.may_end.acquire(timeout=PATIENCE)
        super().send(composite)


@contextmanager
def stepped(live: Session, sink: SteppedSink) -> Iterator[Session]:
    """Runs the session with a preview; inside the block ``sink`` is in the middle of a send of the person."""
    with live.audience.subscribe(), running(live):
        wait_for(lambda: sink.people > 5, "people")
        sink.stepped.set()
        assert sink.begun.acquire(timeout=PATIENCE)
        try:
            yield live
        finally:
            sink.stepped.clear()
            sink.may_end.release()


def test_preview_gets_no_picture_before_it_was_sent() -> None:
    sink = SteppedSink()
    with stepped(make(sink, presence=(AlwaysWatched,)), sink) as live:
        shown = live.audience.wait_for_newer(None, 0)
        assert shown is None or any(shown.composite.data is sent.data for sent in sink.composites)


@pytest.mark.parametrize("how", RULE_OUT)
def test_previews_get_no_ruled_out_picture_when_a_hung_send_ends(how: str) -> None:
    sink = SteppedSink()
    live = make(sink, presence=(AlwaysWatched,))
    with stepped(live, sink):
        RULE_OUT[how](live)
        sink.may_end.release()
        assert sink.begun.acquire(timeout=PATIENCE), "the next send: what follows the hung one is done"
        shown = live.audience.wait_for_newer(None, 0)
        assert shown is None or shown.captured is None


@pytest.mark.parametrize("how", RULE_OUT)
def test_previews_are_cleared_after_the_pictures_are_ruled_out(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The output sends another picture at the worst moment: when the last one of the previews has just been discarded."""
    sink = SteppedSink()
    live = make(sink, presence=(AlwaysWatched,))
    clear = live.audience.clear

    def clear_before_a_send_ends() -> None:
        clear()
        sink.may_end.release()
        assert sink.begun.acquire(timeout=PATIENCE)

    with stepped(live, sink):
        monkeypatch.setattr(live.audience, "clear", clear_before_a_send_ends)
        RULE_OUT[how](live)
        shown = live.audience.wait_for_newer(None, 0)
        assert shown is None or shown.captured is None


@pytest.mark.parametrize("how", RULE_OUT)
def test_picture_chosen_before_it_is_ruled_out_is_the_last_one(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The output thread is between choosing the picture and sending it."""
    chosen, go_on, armed = threading.Event(), threading.Event(), threading.Event()
    on_composite = CompositeHold.on_composite

    def choose_slowly(hold: CompositeHold, now: float) -> None:
        on_composite(hold, now)
        if armed.is_set():
            armed.clear()
            chosen.set()
            go_on.wait(PATIENCE)

    sink, counts = RecordingSink(), list[int]()
    live = make(sink, build=lambda: Passthrough(Consent("a test")), presence=(AlwaysWatched,))
    monkeypatch.setattr(CompositeHold, "on_composite", choose_slowly)

    def rule_out() -> None:
        RULE_OUT[how](live)
        counts.append(len(sink.composites))

    with running(live):
        wait_for(lambda: any(map(shows_room, tuple(sink.composites))), "the room")
        armed.set()
        assert chosen.wait(PATIENCE)
        thread = threading.Thread(target=rule_out)
        thread.start()
        thread.join(0.1)  # long enough for an answer that does not wait
        go_on.set()
        thread.join(PATIENCE)
        wait_for(lambda: len(sink.composites) > counts[0] + 3, "further pictures")
        assert not any(map(shows_room, sink.composites[counts[0] :]))


def test_single_hung_output_does_not_block_pause() -> None:
    sink = HangingSink()
    live = make(sink, presence=(AlwaysWatched,))
    with hanging(live, sink):
        live.pause()
        count = len(sink.composites)
        sink.release()
        wait_for(lambda: len(sink.composites) > count + 3, "pictures")
        assert not any(map(is_green, sink.composites[count + 1 :]))


def test_effect_on_returns_despite_hung_output_and_hides_the_room() -> None:
    free, stuck = RecordingSink(), HangingSink()
    live = make(free, stuck, build=lambda: Passthrough(Consent("a test")))
    with running(live):
        wait_for(lambda: any(map(shows_room, tuple(stuck.composites))), "the room")
        stuck.hangs.set()
        wait_for(stuck.hanging.is_set, "the hang")
        live.switch(green_processor, at_once=True)
        counts = len(free.composites), len(stuck.composites)
        stuck.release()
        wait_for(lambda: free.people > 5 and stuck.people > 5, "people")
        assert not any(map(shows_room, free.composites[counts[0] :]))
        assert not any(map(shows_room, stuck.composites[counts[1] + 1 :]))


def test_output_that_cannot_be_opened_is_retried_while_the_other_works() -> None:
    works, broken = RecordingSink(), RecordingSink()
    broken.broken.set()
    live = make(broken, works)
    with running(live):
        wait_for(lambda: works.people > 5, "people")
        first, second = live.snapshot().outputs
        assert (first.lost, second.lost) == ("the node is gone: plug it in", None)
        assert (state(live), reason(live)) == ("live", None)
        error = live.snapshot().last_error
        assert error is not None
        assert error.text == first.lost
        broken.broken.clear()
        wait_for(lambda: broken.people > 5, "people on the output that is back")
        assert live.snapshot().outputs[0].lost is None


def test_session_ends_if_no_output_can_be_opened() -> None:
    sinks = RecordingSink(), RecordingSink()
    for sink in sinks:
        sink.broken.set()
    with pytest.raises(SinkError, match="the node is gone"):
        make(*sinks).run()


def test_output_that_opens_but_takes_no_picture_stays_lost_and_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """As a device whose format another program keeps changing: an entry in the log for each attempt would fill the disk."""
    lost: list[str | None] = []

    class RejectingSink(RecordingSink):
        def send(self, composite: Composite) -> None:
            if self.opened > 1:
                lost.append(live.snapshot().output_lost)
            if rejects.is_set():
                raise SinkError("The device takes no picture.", "Close the other program.")
            super().send(composite)

    sink, rejects = RejectingSink(), threading.Event()
    live = make(sink, presence=(AlwaysWatched,))
    with running(live):
        wait_for(lambda: sink.people > 5, "people")
        rejects.set()
        wait_for(lambda: sink.opened > 4, "the attempts")
        assert set(lost[1:]) == {"The device takes no picture. Close the other program."}
        rejects.clear()
        before = sink.people
        wait_for(lambda: sink.people > before + 5, "people again")
        assert live.snapshot().output_lost is None
    assert sum("takes no picture" in record.message for record in caplog.records) == 1


def test_all_outputs_lost_later_are_retried() -> None:
    sinks = RecordingSink(), RecordingSink()
    live = make(*sinks)
    with running(live):
        wait_for(lambda: all(sink.people > 5 for sink in sinks), "people")
        sinks[1].broken.set()
        wait_for(lambda: live.snapshot().outputs[1].lost, "the loss of one")
        assert not live.snapshot().outputs[1].showing
        assert state(live) == "live"
        sinks[0].broken.set()
        wait_for(lambda: state(live) == "stalled", "the loss of both")
        with live.audience.subscribe():
            assert live.audience.wait_for_newer(None, 0.3) is None, "nothing is sent, so the preview is empty"
        for sink in sinks:
            sink.broken.clear()
        counts = [sink.people for sink in sinks]
        wait_for(lambda: all(sink.people > count for sink, count in zip(sinks, counts, strict=True)), "people again")


def test_camera_runs_while_either_output_is_watched() -> None:
    watchers: list[FakePresence] = []

    def presence(device: Callable[[], str | None], changed: Callable[[], object]) -> FakePresence:
        watchers.append(FakePresence(device, changed))
        return watchers[-1]

    sinks = RecordingSink(), RecordingSink()
    live = make(*sinks, presence=(presence, presence))
    with running(live):
        watchers[0].set_watched(False)
        assert not live.snapshot().watched, "the other one has not reported yet"
        watchers[1].set_watched(True)
        wait_for(lambda: all(sink.people > 3 for sink in sinks), "people")
        watchers[0].set_watched(True)
        watchers[1].set_watched(False)
        assert live.snapshot().watched
        assert [each.watched for each in live.snapshot().outputs] == [True, False]
        watchers[0].set_watched(False)
        assert not live.snapshot().watched


@pytest.mark.parametrize("hangs", [False, True])
def test_barrier_waits_for_the_send_in_progress(hangs: bool) -> None:
    """In virtual time, so that the waits are exact."""
    time = VirtualTime(["sender", "changer"])
    barrier, times = SendBarrier(time), list[float]()
    seconds = 60.0 if hangs else 0.4

    def send() -> None:
        with barrier.sending():
            threads[1].start()
            time.sleep(seconds)

    def change() -> None:
        for _ in range(3):
            barrier.wait()
            times.append(round(time.monotonic(), 3))

    with time:
        threads = [threading.Thread(target=act, name=name, daemon=True) for name, act in (("sender", send), ("changer", change))]
        threads[0].start()
        wait_for(lambda: len(times) == 3, "three changes")
    expected = SEND_TIMEOUT_S if hangs else seconds
    assert times == [expected] * 3, "a hung send delays the first change by the rest of its time, and no later one"


def test_placeholder_is_drawn_per_output() -> None:
    """Each output keeps its own placeholder, so that none depends on the other's pictures."""
    sinks = RecordingSink(), RecordingSink()
    live = make(*sinks, presence=(partial(FakePresence), partial(FakePresence)))
    with running(live):
        wait_for(lambda: all(len(sink.composites) > 2 for sink in sinks), "placeholders")
    expected = Placeholder(*SIZE, FORMAT.color).at(0, sinks[0].composites[0].time_base).data.tobytes()
    assert {shown.data.tobytes() for sink in sinks for shown in sink.composites} == {expected}
