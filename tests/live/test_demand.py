"""What a change of the demand waits for."""

import threading
from collections.abc import Callable
from contextlib import suppress

from livebg.errors import SinkError
from livebg.live.demand import Demand
from livebg.live.threads import SEND_TIMEOUT_S, SendBarrier
from tests.soak.virtual_time import VirtualTime
from tests.support.live_session import wait_for
from tests.support.pipeline_fakes import HandClock

SEND_S = 0.4
"""Seconds of the send in progress, in virtual time."""


def test_each_pause_waits_for_the_send_in_progress() -> None:
    """Also a second one, which changes nothing more: who pauses must not be answered before the picture is out."""
    time = VirtualTime(["sender", "pause", "lock"])
    barrier = SendBarrier(time)
    demand = Demand(time, [barrier])
    demand.update(watched=True)
    changes, answered = list[float](), dict[str, float]()
    demand.listener = lambda _: changes.append(round(time.monotonic(), 3))

    def send() -> None:
        with barrier.sending():
            for thread in threads[1:]:
                thread.start()
            time.sleep(SEND_S)

    def pause() -> None:
        demand.update(paused=True)
        answered["pause"] = round(time.monotonic(), 3)

    def lock() -> None:
        time.sleep(SEND_S / 2)
        demand.update(locked=True)
        answered["lock"] = round(time.monotonic(), 3)

    acts: dict[str, Callable[[], None]] = {"sender": send, "pause": pause, "lock": lock}
    with time:
        threads = [threading.Thread(target=act, name=name, daemon=True) for name, act in acts.items()]
        threads[0].start()
        wait_for(lambda: len(answered) == 2, "both answers")
    assert answered == {"pause": SEND_S, "lock": SEND_S}
    assert changes == [0.0, SEND_S / 2], "the camera and the microphone are turned off even if the output hangs"


def test_send_that_failed_is_over() -> None:
    clock = HandClock(0.0)
    barrier = SendBarrier(clock)
    with suppress(SinkError), barrier.sending():
        raise SinkError("The device is gone.")
    clock.seconds = 2 * SEND_TIMEOUT_S
    assert not barrier.hung
