"""Cameras that send invalid data: damaged pictures are skipped, damaged answers of drivers give one-line errors."""

import ctypes
import errno
import random
from collections.abc import Callable
from fractions import Fraction
from typing import Final

import numpy as np
import pytest

from livebg.errors import SourceError
from livebg.sources.camera import CameraSource, camera_format
from livebg.v4l2 import abi
from livebg.v4l2.client_usage import EVENT_TYPES, ClientUsageProbe, Subscription
from livebg.v4l2.modes import Mode
from livebg.v4l2.syscalls import EventFd, Memory, Ready
from tests.support.camera_media import bars, h264, jpeg, raw, still
from tests.support.fake_client_usage import NODE, FakeUsage
from tests.support.fake_v4l2 import FakeDevice, FakeKernel
from tests.support.fuzzing import assert_sentence, mutate, seeds

SIZE: Final = (320, 240)
PATH: Final = "/dev/video0"
Rounds = Callable[[int], int]


def camera(pixel_format: str) -> FakeDevice:
    return FakeDevice(modes=[Mode(pixel_format, *SIZE, (Fraction(30),))])


def pictures(pixel_format: str) -> list[bytes]:
    gray = [still(bars(*SIZE), luma) for luma in range(20, 220, 20)]
    match pixel_format:
        case "MJPG":
            return [jpeg(bars(*SIZE), 6), jpeg(bars(*SIZE), 6, "yuvj420p")]
        case "H264":
            return h264([bars(*SIZE), *gray])
        case _:
            return [raw(bars(*SIZE), pixel_format)]


class NonWaitingKernel(FakeKernel):
    """A camera with a clock on which no wait takes time."""

    def __init__(self, device: FakeDevice) -> None:
        super().__init__({PATH: device})
        self.time = 1000.0

    def now(self) -> float:
        return self.time

    def poll(self, fd: int | None, waker: EventFd, timeout: float, *, event: bool = False) -> Ready:
        ready = super().poll(fd, waker, 0, event=event)
        self.time += 0.01 if any(ready) else max(timeout, 0.01)
        return ready


@pytest.mark.parametrize("pixel_format", ["MJPG", "H264", "YUYV", "NV12"])
def test_mutated_pictures_are_decoded_or_skipped(pixel_format: str, rounds: Rounds) -> None:
    """If the camera fails, an error explains why. Intact frames after the damage are delivered."""
    whole = pictures(pixel_format)
    frames = given_up = 0
    for chance in seeds(rounds(12), pixel_format):
        device = camera(pixel_format)
        sent = [mutate(each, chance) if chance.random() < 0.6 else each for each in whole * 3]
        with CameraSource(PATH, SIZE, 30, deadline=0.5, kernel=NonWaitingKernel(device)) as source:
            received = iter(source)
            try:
                for data in sent:
                    device.deliver(data)
                    frame = next(received)
                    assert (frame.width, frame.height) == SIZE
                    assert frame.data.dtype == np.uint8
                    frames += 1
            except SourceError as error:
                assert_sentence(error)
                given_up += 1
    assert frames
    assert given_up


class FaultyDriver(NonWaitingKernel):
    """Answers as a driver does, then alters part of the answer, except the few fields that would break only the tests."""

    def __init__(self, device: FakeDevice, chance: random.Random) -> None:
        super().__init__(device)
        self._chance = chance
        self.falsified = 0

    def ioctl(self, fd: int, request: int, argument: ctypes.Structure) -> None:
        super().ioctl(fd, request, argument)
        if isinstance(argument, abi.Buffer | abi.BufferType) or self._chance.random() < 0.7:
            return
        self.falsified += 1
        size = ctypes.sizeof(argument)
        lie = mutate(ctypes.string_at(ctypes.addressof(argument), size), self._chance)[:size]
        ctypes.memmove(ctypes.addressof(argument), lie, len(lie))

    def mmap(self, fd: int, length: int, offset: int) -> Memory:
        if length <= 0:
            raise OSError(errno.EINVAL, "Invalid argument")
        return super().mmap(fd, length, offset)


@pytest.mark.parametrize("stepwise", [(), (32, 640, 8, 24, 480, 8)])
def test_mutated_driver_answers_are_handled(stepwise: tuple[int, ...], rounds: Rounds) -> None:
    refused = opened = falsified = 0
    for chance in seeds(rounds(120), f"driver {stepwise}"):
        device = FakeDevice(modes=[Mode("YUYV", *SIZE, (Fraction(30), Fraction(15))), Mode("MJPG", 640, 480, (Fraction(30),))])
        device.stepwise = stepwise
        kernel = FaultyDriver(device, chance)
        try:
            camera_format(PATH, SIZE, 30, kernel=kernel)
            with CameraSource(PATH, SIZE, 30, deadline=0.5, kernel=kernel) as source:
                opened += 1
                device.deliver(raw(bars(*SIZE), "YUYV"))
                frame = next(iter(source))
                assert (frame.width, frame.height) == (source.format.width, source.format.height)
        except SourceError as error:
            assert_sentence(error)
            refused += 1
        assert not kernel.open_fds, "a descriptor was left open"
        falsified += kernel.falsified
    assert refused
    assert opened
    assert falsified


class FaultyUsage(FakeUsage):
    """Events of any kind, with any payload."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._chance = chance

    def ioctl(self, fd: int, request: int, argument: ctypes.Structure) -> None:
        super().ioctl(fd, request, argument)
        if isinstance(argument, abi.Event):
            lie = self._chance.randbytes(ctypes.sizeof(argument))
            ctypes.memmove(ctypes.addressof(argument), lie, len(lie))
            if self._chance.random() < 0.5:
                argument.type = EVENT_TYPES[0]


def test_mutated_events_are_handled(rounds: Rounds) -> None:
    heard, failures = set[bool | None](), set[int | None]()
    for chance in seeds(rounds(200), "events"):
        kernel = FaultyUsage(chance)
        events = ClientUsageProbe(NODE, Subscription(NODE, kernel), 30.0, kernel)
        for _ in range(6):
            kernel.stream(chance.random() < 0.5)
            try:
                heard.add(chance.choice((events.read_event, events.poll))())
            except OSError as error:
                failures.add(error.errno)
        events.close()
        assert not kernel.subscribed
    assert {True, None} <= heard
    assert failures <= {errno.EIO}
