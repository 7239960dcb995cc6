"""The virtual camera: the pictures that reach the device, and the error messages."""

import errno
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import pyvirtualcam
from numpy.typing import NDArray
from pyvirtualcam.camera import BACKENDS

from livebg.compositing.composite import Consent, passthrough
from livebg.config.settings import Output
from livebg.errors import SinkError
from livebg.imaging.colorspace import convert_i420
from livebg.imaging.frame import BT601, BT709, ColorSpec, Composite, VideoFormat
from livebg.interfaces import Sink
from livebg.sinks.virtual_camera import NullSink, VirtualCameraSink, loopback_camera, open_virtual_camera
from livebg.v4l2 import abi
from livebg.v4l2.syscalls import Holder
from tests.support.fake_loopback import CAPTURE, OUTPUT, FakeLoopback
from tests.support.pipeline_fakes import noise_frame
from tests.support.sink_contract import HEIGHT, WIDTH, SinkContract, composite

FORMAT = VideoFormat(WIDTH, HEIGHT, Fraction(30), ColorSpec(BT601))


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[FakeLoopback]:
    kernel = FakeLoopback(tmp_path / "video10")
    yield kernel
    assert not kernel.open_now, "a descriptor was left open"


def camera(kernel: FakeLoopback, form: VideoFormat = FORMAT) -> VirtualCameraSink:
    return VirtualCameraSink(form, loopback_camera(kernel.node, form, kernel))


def noise(number: int = 0, color: ColorSpec = FORMAT.color) -> Composite:
    return passthrough(noise_frame(number, (WIDTH, HEIGHT), color, number), Consent("a test"))


class TestContract(SinkContract):
    @pytest.fixture
    def make_sink(self, tmp_path: Path) -> Callable[[], Sink]:
        return lambda: camera(FakeLoopback(tmp_path / "video10"))


def test_every_byte_is_written_in_order(kernel: FakeLoopback) -> None:
    pictures = [noise(number) for number in range(5)]
    with camera(kernel) as sink:
        for picture in pictures:
            sink.send(picture)
        assert sink.device == str(kernel.node)
    assert kernel.pictures == [picture.data.tobytes() for picture in pictures]


def test_format_and_rate_are_set(kernel: FakeLoopback) -> None:
    with camera(kernel, VideoFormat(1280, 720, Fraction(30000, 1001))):
        assert kernel.set_to == (1280, 720, "YU12")
        assert kernel.rate == Fraction(30000, 1001)


def test_device_without_rate_is_accepted(kernel: FakeLoopback) -> None:
    kernel.refused = {abi.S_PARM: errno.ENOTTY}
    with camera(kernel) as sink:
        sink.send(noise())
    assert len(kernel.pictures) == 1


@pytest.mark.parametrize("color", [ColorSpec(BT709), ColorSpec(BT601, full_range=True), ColorSpec(full_range=True)])
def test_other_colors_are_converted_to_limited_bt601(kernel: FakeLoopback, color: ColorSpec) -> None:
    shown = noise(color=color)
    with camera(kernel) as sink:
        sink.send(shown)
    assert kernel.pictures[0] == convert_i420(shown.data, color, ColorSpec(BT601)).tobytes()
    assert kernel.pictures[0] != shown.data.tobytes()


def test_picture_of_other_size_fails(kernel: FakeLoopback) -> None:
    with camera(kernel) as sink:
        with pytest.raises(SinkError, match=r"32x24 composite was sent to a 64x48 camera"):
            sink.send(composite(0, size=(32, 24)))
        assert kernel.pictures == []


@pytest.mark.parametrize("admits_it", [True, False])
@pytest.mark.parametrize("kept", [(1280, 720, "YU12"), (WIDTH, HEIGHT, "YUYV")])
def test_device_with_fixed_format_fails(kernel: FakeLoopback, kept: tuple[int, int, str], admits_it: bool) -> None:
    kernel.kept, kernel.admits_it = kept, admits_it
    name = kept[2].replace("YU12", "I420")
    with pytest.raises(
        SinkError, match=rf"64x48 I420, another program keeps it at {kept[0]}x{kept[1]} {name}\. Close .*output\.size"
    ):
        camera(kernel)


def test_program_that_keeps_format_is_named(kernel: FakeLoopback) -> None:
    kernel.kept, kernel.others = (1280, 720, "YU12"), [Holder(321, "firefox", "reading")]
    with pytest.raises(SinkError, match=r"firefox \(process 321\) has it open, which keeps it at 1280x720 I420"):
        camera(kernel)


def test_busy_format_error_names_readers(kernel: FakeLoopback) -> None:
    kernel.refused = {abi.S_FMT: errno.EBUSY}
    with pytest.raises(SinkError, match="Close the programs that read it"):
        camera(kernel)


def test_set_format_answer_is_used_without_get_format(kernel: FakeLoopback) -> None:
    kernel.refused = {abi.G_FMT: errno.ENOTTY}
    camera(kernel).close()
    kernel.kept = (320, 240, "YU12")
    with pytest.raises(SinkError, match="320x240"):
        camera(kernel)


@pytest.mark.parametrize(
    ("call", "number", "message"),
    [
        ("open", errno.EBUSY, r"cannot be opened .*Close the other programs"),
        ("open", errno.EACCES, r"cannot be opened .*group video"),
        ("open", errno.ENOENT, r"cannot be opened .*Load v4l2loopback"),
        (abi.S_FMT, errno.EIO, r"cannot be set up"),
        (abi.S_FMT, errno.EINVAL, r"cannot be set up"),
        (abi.G_FMT, errno.EIO, r"cannot be set up"),
        (abi.STREAMON, errno.EIO, r"cannot be set up"),
        (abi.S_PARM, errno.ENODEV, r"cannot be set up .*Load v4l2loopback"),
        (abi.QUERYCAP, errno.ENOTTY, r"is not a video device"),
    ],
)
def test_kernel_errors_are_reported(kernel: FakeLoopback, call: int | str, number: int, message: str) -> None:
    kernel.refused = {call: number}
    with pytest.raises(SinkError, match=f"video10 {message}"):
        camera(kernel)


def test_real_camera_is_never_written(kernel: FakeLoopback) -> None:
    kernel.driver, kernel.card = "uvcvideo", "HD Webcam"
    with pytest.raises(SinkError, match=r"HD Webcam \(driver uvcvideo\)"):
        camera(kernel)
    assert kernel.set_to is None


def test_device_with_other_writer_fails(kernel: FakeLoopback) -> None:
    kernel.caps, kernel.others = CAPTURE, [Holder(12, "obs", "writing")]
    with pytest.raises(SinkError, match=r"accepts no pictures, obs \(process 12\) has it open\. Close that program"):
        camera(kernel)
    kernel.others = []
    with pytest.raises(SinkError, match="another program seems to write to it"):
        camera(kernel)


def test_device_left_by_dead_writer_is_recovered(kernel: FakeLoopback) -> None:
    kernel.caps = 0
    with camera(kernel) as sink:
        sink.send(noise())
    assert kernel.caps == OUTPUT
    assert len(kernel.pictures) == 1


@pytest.mark.parametrize("readers", [0, 1])
def test_device_is_released_at_close(kernel: FakeLoopback, readers: int) -> None:
    """A call that keeps reading must not block the next livebg."""
    kernel.readers = readers
    for number in range(2):
        with camera(kernel) as sink:
            sink.send(noise(number))
            assert kernel.caps == CAPTURE
        assert kernel.caps & OUTPUT
    assert len(kernel.pictures) == 2


def test_device_without_stream_on_is_accepted(kernel: FakeLoopback) -> None:
    kernel.refused = {abi.STREAMON: errno.EINVAL}
    with camera(kernel) as sink:
        sink.send(noise())
    assert len(kernel.pictures) == 1


def test_unrecoverable_device_fails(kernel: FakeLoopback) -> None:
    kernel.caps, kernel.refused = 0, {abi.STREAMON: errno.EINVAL}
    with pytest.raises(SinkError, match="accepts no pictures"):
        camera(kernel)


@pytest.mark.parametrize("number", [errno.ENODEV, errno.EIO])
def test_write_error_is_reported(kernel: FakeLoopback, number: int) -> None:
    with camera(kernel) as sink:
        sink.send(noise(0))
        kernel.refused = {"write": number}
        with pytest.raises(SinkError, match="video10 no longer accepts pictures"):
            sink.send(noise(1))
        kernel.refused = {}
        sink.send(noise(2))
    assert len(kernel.pictures) == 2


def test_short_write_is_reported(kernel: FakeLoopback) -> None:
    with camera(kernel) as sink:
        kernel.takes = 1000
        with pytest.raises(SinkError, match="took 1000 of a picture's 4608 bytes"):
            sink.send(noise())


def test_removed_node_is_detected_before_write(kernel: FakeLoopback) -> None:
    with camera(kernel) as sink:
        sink.send(noise(0))
        kernel.node.unlink()
        with pytest.raises(SinkError, match="is gone"):
            sink.send(noise(1))
    assert len(kernel.pictures) == 1


def test_replaced_node_is_detected_and_reopened(kernel: FakeLoopback, tmp_path: Path) -> None:
    """The old node exists while it is open, so the new one has another inode."""
    with camera(kernel) as sink:
        sink.send(noise(0))
        (tmp_path / "new").touch()
        (tmp_path / "new").rename(kernel.node)
        with pytest.raises(SinkError, match="has been replaced by another device"):
            sink.send(noise(1))
    with camera(kernel) as sink:
        sink.send(noise(2))
    assert kernel.pictures == [noise(0).data.tobytes(), noise(2).data.tobytes()]


@pytest.fixture
def linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")


@pytest.fixture
def macos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")


class FakeObs:
    """OBS's camera with the behavior of pyvirtualcam's backends."""

    pictures: list[bytes]
    made: dict[str, object]
    failure: str | None = None

    def __init__(self, *, width: int, height: int, fps: float, fourcc: int, device: str | None) -> None:
        if FakeObs.failure == "opening":
            raise RuntimeError("virtual camera output could not be started.")
        FakeObs.made = {"size": (width, height), "fps": fps, "fourcc": fourcc, "device": device}
        FakeObs.pictures = []

    def send(self, frame: NDArray[np.uint8]) -> None:
        if FakeObs.failure == "sending":
            raise RuntimeError("output is gone")
        FakeObs.pictures.append(frame.tobytes())

    def close(self) -> None:
        FakeObs.made["closed"] = True

    def device(self) -> str:
        return "OBS Virtual Camera"

    def native_fourcc(self) -> None:
        return None


@pytest.fixture
def obs(monkeypatch: pytest.MonkeyPatch) -> type[FakeObs]:
    monkeypatch.setitem(BACKENDS, "obs", FakeObs)
    monkeypatch.setattr(FakeObs, "failure", None)
    return FakeObs


@pytest.mark.usefixtures("linux")
@pytest.mark.parametrize("backend", ["auto", "v4l2loopback"])
def test_linux_device_is_found_by_label(kernel: FakeLoopback, backend: Literal["auto", "v4l2loopback"]) -> None:
    with open_virtual_camera(Output(backend=backend).sink_backends[0], "livebg", FORMAT, kernel) as sink:
        sink.send(noise())
    assert kernel.pictures == [noise().data.tobytes()]
    with pytest.raises(SinkError, match="No loopback device is named other"):
        open_virtual_camera(Output(backend=backend).sink_backends[0], "other", FORMAT, kernel)


def test_null_backend_writes_nothing(kernel: FakeLoopback) -> None:
    with open_virtual_camera("null", "livebg", FORMAT, kernel) as sink:
        sink.send(noise())
        assert isinstance(sink, NullSink)
        assert sink.frames == 1
    assert kernel.pictures == []


@pytest.mark.usefixtures("macos")
def test_obs_is_used_on_macos(obs: type[FakeObs], kernel: FakeLoopback) -> None:
    with open_virtual_camera(Output().sink_backends[0], "livebg", FORMAT, kernel) as sink:
        sink.send(noise())
        assert isinstance(sink, VirtualCameraSink)
        assert sink.device == "OBS Virtual Camera"
    i420 = pyvirtualcam.camera.encode_fourcc(pyvirtualcam.PixelFormat.I420.value)
    assert obs.made == {"size": (WIDTH, HEIGHT), "fps": 30.0, "fourcc": i420, "device": None, "closed": True}
    assert obs.pictures == [noise().data.tobytes()]


@pytest.mark.usefixtures("macos")
def test_v4l2loopback_is_rejected_on_macos() -> None:
    with pytest.raises(SinkError, match="v4l2loopback is available only on Linux"):
        open_virtual_camera("v4l2loopback", "livebg", FORMAT)


def test_missing_obs_fails(obs: type[FakeObs], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(obs, "failure", "opening")
    with pytest.raises(SinkError, match=r"cannot be opened \(virtual camera output could not be started\)\. Install OBS"):
        open_virtual_camera("obs", "livebg", FORMAT)
    monkeypatch.delitem(BACKENDS, "obs")
    with pytest.raises(SinkError, match="available only on macOS and Windows"):
        open_virtual_camera("obs", "livebg", FORMAT)


def test_obs_failure_while_sending_is_reported(obs: type[FakeObs], monkeypatch: pytest.MonkeyPatch) -> None:
    with open_virtual_camera("obs", "livebg", FORMAT) as sink:
        sink.send(noise(0))
        monkeypatch.setattr(obs, "failure", "sending")
        with pytest.raises(SinkError, match=r"no longer accepts pictures \(output is gone\)"):
            sink.send(noise(1))
