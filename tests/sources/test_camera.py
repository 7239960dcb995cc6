"""CameraSource on a fake kernel with fake cameras."""

import errno
import threading
from collections.abc import Callable
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest

from livebg.config.loading import load_settings
from livebg.daemon.bootstrap import build_camera
from livebg.errors import SourceError
from livebg.imaging.frame import BT601, BT709, ColorSpec, Frame, VideoFormat, planes, rgb_to_i420
from livebg.interfaces import LiveSource, Source
from livebg.sources.camera import CameraSource, camera_format, open_camera
from livebg.v4l2 import abi
from livebg.v4l2.modes import Mode
from livebg.v4l2.syscalls import Holder
from tests.support.camera_media import LIMITED, bars, h264, jpeg, raw, still
from tests.support.cli_runner import LivebgCli
from tests.support.fake_v4l2 import HD, OUTPUT, VGA, Delivery, FakeDevice, FakeKernel
from tests.support.source_contract import SourceContract

SIZE = 640, 480
NODE = "/dev/video0"
HANGS = 20.0
"""Seconds after which a call counts as hung."""


def camera(pixel_format: str = "YUYV", padding: int = 0) -> FakeDevice:
    return FakeDevice(modes=[Mode(pixel_format, *SIZE, (Fraction(30),))], padding=padding)


def opened(device: FakeDevice, deadline: float = 5.0) -> CameraSource:
    return CameraSource(NODE, SIZE, 30, deadline=deadline, kernel=FakeKernel({NODE: device}))


def difference(frame: Frame, rgb: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> int:
    """Return the greatest difference in luma and chroma, in levels of limited BT.601, without the bars' edges, where chroma is
    mixed.
    """
    wanted = rgb_to_i420(rgb, LIMITED)
    worst = 0
    for given, true in zip(frame.planes, planes(wanted), strict=True):
        width = true.shape[1] // 8
        inside = np.arange(true.shape[1]) % width
        middle = (inside > width // 4) & (inside < 3 * width // 4)
        worst = max(worst, int(np.abs(given.astype(int) - true.astype(int))[:, middle].max()))
    return worst


class TestCameraSource(SourceContract):
    @pytest.fixture
    def open_source(self) -> Callable[[], Source]:
        def opening() -> Source:
            device = camera("H264")
            source = opened(device)
            device.deliver(*h264([still(bars(), luma) for luma in (40, 80, 120, 160, 200)]))
            return source

        return opening

    def test_implements_live_source_protocol(self, open_source: Callable[[], Source]) -> None:
        with open_source() as source:
            assert isinstance(source, LiveSource)


@pytest.mark.parametrize("padding", [0, 64])
@pytest.mark.parametrize("pixel_format", ["YUYV", "UYVY", "NV12", "YU12"])
def test_raw_pictures_are_unchanged(pixel_format: str, padding: int) -> None:
    device = camera(pixel_format, padding)
    with opened(device) as source:
        device.deliver(raw(bars(), pixel_format, padding=padding))
        frame = next(iter(source))
    assert frame.color == ColorSpec(BT601, BT601, BT601)
    assert difference(frame, bars()) <= 1


@pytest.mark.parametrize("pix_fmt", ["yuvj422p", "yuvj420p", "yuvj444p"])
def test_full_range_jpeg_becomes_limited(pix_fmt: str) -> None:
    device = camera("MJPG")
    with opened(device) as source:
        device.deliver(jpeg(bars(), pix_fmt=pix_fmt))
        frame = next(iter(source))
    assert frame.color == source.format.color == ColorSpec(BT601, BT601, BT601)
    assert difference(frame, bars()) <= 4
    white, black = frame.y[:, 30].mean(), frame.y[:, 110].mean()
    assert white == pytest.approx(235, abs=1)
    assert black == pytest.approx(16, abs=1)


def test_h264_pictures_arrive_immediately_and_in_order() -> None:
    device = camera("H264")
    levels = [40, 80, 120, 160]
    with opened(device) as source:
        frames = iter(source)
        for packet, luma in zip(h264([still(bars(), luma) for luma in levels]), levels, strict=True):
            device.deliver(packet)
            assert next(frames).y.mean() == pytest.approx(16 + luma * 219 / 255, abs=2)


def test_driver_color_information_is_used() -> None:
    device = camera("NV12")
    device.quantization, device.ycbcr_enc = abi.QUANTIZATION_FULL_RANGE, abi.YCBCR_ENC_709
    with opened(device) as source:
        device.deliver(raw(bars(), "NV12", ColorSpec(BT709, full_range=True)))
        frame = next(iter(source))
    assert frame.color.matrix == BT601
    assert difference(frame, bars()) <= 4


def test_full_range_raw_becomes_limited() -> None:
    device = camera("YUYV")
    device.colorspace = abi.COLORSPACE_JPEG
    with opened(device) as source:
        device.deliver(raw(bars(), "YUYV", ColorSpec(BT601, full_range=True)))
        assert difference(next(iter(source)), bars()) <= 2


def test_frame_time_is_kernel_timestamp() -> None:
    device = camera()
    with opened(device) as source:
        taken = round(source.now() * 1e6) - 120_000
        device.deliver(Delivery(raw(bars(), "YUYV"), microseconds=taken))
        frame = next(iter(source))
        assert frame.pts == taken
        assert frame.time_base == Fraction(1, 1_000_000)
        assert source.now() - frame.time >= 0.12


@pytest.mark.parametrize(
    "delivery",
    [
        Delivery(raw(bars(), "YUYV"), flags=0, microseconds=5),
        Delivery(raw(bars(), "YUYV"), microseconds=1_700_000_000_000_000),
        Delivery(raw(bars(), "YUYV"), flags=0x4000, microseconds=0),
    ],
    ids=["unknown clock", "time of day", "copied and empty"],
)
def test_timestamp_of_other_clock_is_replaced_by_now(delivery: Delivery) -> None:
    device = camera()
    with opened(device) as source:
        before = source.now()
        device.deliver(delivery)
        assert before - 1e-5 <= next(iter(source)).time <= source.now() + 1e-5


def test_plausible_timestamp_of_unknown_clock_is_ignored() -> None:
    device = camera()
    with opened(device) as source:
        before = source.now()
        device.deliver(Delivery(raw(bars(), "YUYV"), flags=0, microseconds=round(before * 1e6) - 1_000_000))
        assert next(iter(source)).time >= before - 1e-5


def test_times_increase_when_camera_timestamps_do_not() -> None:
    device = camera()
    with opened(device) as source:
        start = round(source.now() * 1e6) - 500_000
        frames = iter(source)
        pts = []
        for stamp in (start, start, start - 10, start + 33_000):
            device.deliver(Delivery(raw(bars(), "YUYV"), microseconds=stamp))
            pts.append(next(frames).pts)
    assert pts == [start, start + 1, start + 2, start + 33_000]


def test_newest_waiting_picture_is_used() -> None:
    device = camera()
    with opened(device) as source:
        device.deliver(*[raw(still(bars(), luma), "YUYV") for luma in (40, 80, 120)])
        assert next(iter(source)).y[0, 0] == rgb_to_i420(still(bars(), 120), LIMITED)[0, 0]
        assert source.skipped == 2
        assert len(device.queued) == 4


def test_every_buffer_returns_to_driver() -> None:
    device = camera()
    with opened(device) as source:
        frames = iter(source)
        for luma in range(20, 240, 20):
            device.deliver(raw(still(bars(), luma), "YUYV"))
            assert next(frames).y[0, 0] == rgb_to_i420(still(bars(), luma), LIMITED)[0, 0]
            assert len(device.queued) == 4
        assert source.skipped == source.damaged == 0


def test_frames_lost_by_driver_are_counted() -> None:
    device = camera()
    with opened(device) as source:
        device.deliver(raw(bars(), "YUYV"), Delivery(raw(bars(), "YUYV"), skips=3))
        next(iter(source))
        assert source.lost == 3


def intact_and_damaged() -> tuple[bytes, list[Delivery]]:
    whole = jpeg(bars(), quality=8)
    swapped = bytearray(jpeg(np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)))
    swapped[len(swapped) // 3 : len(swapped) // 3 + 100] = bytes(each ^ 0x5A for each in swapped[len(swapped) // 3 :][:100])
    broken = [
        Delivery(whole[: len(whole) // 2]),
        Delivery(bytes(2000)),
        Delivery(b""),
        Delivery(whole, flags=abi.BUF_FLAG_TIMESTAMP_MONOTONIC | abi.BUF_FLAG_ERROR),
        Delivery(bytes(swapped)),
    ]
    return whole, broken


def test_damaged_pictures_are_counted_and_skipped() -> None:
    device = camera("MJPG")
    whole, broken = intact_and_damaged()
    with opened(device) as source:
        frames = iter(source)
        for number, each in enumerate(broken, start=1):
            device.later.append(Delivery(whole))
            device.deliver(each)
            assert difference(next(frames), bars()) <= 12
            assert source.damaged == number
            assert len(device.queued) == 4


def test_truncated_raw_picture_is_damaged() -> None:
    device = camera("NV12")
    whole = raw(bars(), "NV12")
    with opened(device, deadline=0.1) as source:
        device.deliver(whole)
        frames = iter(source)
        next(frames)
        device.deliver(whole[:-1])
        with pytest.raises(SourceError, match=r"delivered only damaged pictures \(1\) for 0\.1 s"):
            next(frames)


def test_padded_or_unterminated_jpeg_is_accepted() -> None:
    device = camera("MJPG")
    whole = jpeg(bars())
    with opened(device) as source:
        frames = iter(source)
        for each in (whole + bytes(500), whole[:-2]):
            device.deliver(each)
            assert difference(next(frames), bars()) <= 4
        assert source.damaged == 0


def test_stalled_camera_error_names_camera() -> None:
    device = camera()
    with opened(device, deadline=0.1) as source:
        frames = iter(source)
        device.deliver(raw(bars(), "YUYV"))
        next(frames)
        with pytest.raises(
            SourceError, match=r"^The camera HD Pro Webcam C920 \(/dev/video0\) delivered no picture for 0\.1 s\. "
        ):
            next(frames)


def test_unplugged_camera_fails() -> None:
    device = camera()
    with opened(device) as source:
        device.vanish()
        with pytest.raises(SourceError, match=r"is gone\. Plug it in again"):
            next(iter(source))


def test_driver_failure_is_reported() -> None:
    device = camera()
    with opened(device) as source:
        device.failures[abi.DQBUF] = errno.EIO
        device.deliver(b"")
        with pytest.raises(SourceError, match=r"does not work \(Input/output error\)"):
            next(iter(source))


def test_changed_picture_size_fails() -> None:
    device = camera("MJPG")
    with opened(device) as source:
        device.deliver(jpeg(bars(320, 240)))
        with pytest.raises(SourceError, match=r"changed its picture size from 640x480 to 320x240\. Open it again"):
            next(iter(source))


def test_close_ends_wait_in_other_thread() -> None:
    device = camera()
    kernel = FakeKernel({NODE: device})
    source = CameraSource(NODE, SIZE, 30, deadline=HANGS, kernel=kernel)
    ended: list[object] = []
    waiting = threading.Thread(target=lambda: ended.append(next(iter(source), "ended")))
    waiting.start()
    source.close()
    waiting.join(HANGS / 2)
    assert ended == ["ended"]
    assert not kernel.open_fds
    assert not device.streaming


def test_close_releases_everything() -> None:
    device = camera()
    kernel = FakeKernel({NODE: device})
    source = CameraSource(NODE, SIZE, 30, kernel=kernel)
    device.deliver(raw(bars(), "YUYV"))
    next(iter(source))
    assert len(kernel.mapped) == 4
    source.close()
    assert not kernel.open_fds
    assert device.requested == 0
    assert not device.streaming
    assert all(memory.closed for memory in kernel.mapped.values())


@pytest.mark.parametrize("request_number", [abi.S_FMT, abi.REQBUFS, abi.STREAMON], ids=["S_FMT", "REQBUFS", "STREAMON"])
def test_busy_camera_error_names_other_program(request_number: int) -> None:
    device = camera()
    device.failures[request_number] = errno.EBUSY
    kernel = FakeKernel({NODE: device}, holders=[Holder(4711, "zoom", "reading and writing")])
    with pytest.raises(SourceError, match=r"is in use by zoom \(process 4711\)\. Close that program"):
        CameraSource(NODE, SIZE, 30, kernel=kernel)
    assert not kernel.open_fds


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.EBUSY, r"/dev/video0 is in use\. Close"),
        (errno.EACCES, r"/dev/video0 cannot be opened by this user\. Add yourself to the group video"),
        (errno.ENODEV, r"/dev/video0 is gone"),
    ],
)
def test_camera_open_failure_is_reported(number: int, message: str) -> None:
    kernel = FakeKernel({NODE: camera()})
    kernel.refusals[Path(NODE)] = number
    with pytest.raises(SourceError, match=message):
        CameraSource(NODE, SIZE, 30, kernel=kernel)


def test_full_usb_bus_is_reported() -> None:
    device = camera()
    device.failures[abi.STREAMON] = errno.ENOSPC
    with pytest.raises(SourceError, match="no bandwidth left"):
        opened(device)


@pytest.mark.parametrize("given", [Mode("GREY", 640, 480), Mode("YUYV", 641, 480), Mode("YUYV", 0, 0)])
def test_unsupported_format_is_rejected(given: Mode) -> None:
    device = camera()
    device.stubborn = given
    kernel = FakeKernel({NODE: device})
    with pytest.raises(
        SourceError, match=f"delivers {given.width}x{given.height} {given.pixel_format}, which livebg cannot read"
    ):
        CameraSource(NODE, SIZE, 30, kernel=kernel)
    assert not kernel.open_fds


def test_driver_mode_overrides_requested_mode() -> None:
    device = camera()
    device.stubborn = Mode("NV12", 320, 240)
    with opened(device) as source:
        device.deliver(raw(bars(320, 240), "NV12"))
        assert difference(next(iter(source)), bars(320, 240)) <= 1
        assert source.mode == "320x240 NV12 30 fps"


def test_camera_with_only_unknown_formats_fails() -> None:
    device = FakeDevice(modes=[Mode("GREY", 640, 480, (Fraction(30),)), Mode("pRAA", 640, 480)])
    with pytest.raises(SourceError, match="it offers GREY, pRAA; livebg needs NV12"):
        opened(device)


def test_requested_mode_is_opened_and_described() -> None:
    device = FakeDevice(modes=[VGA, HD])
    kernel = FakeKernel({NODE: device})
    with CameraSource("c920", (1280, 720), 30, kernel=kernel) as source:
        assert (source.format.width, source.format.height, source.format.frame_rate) == (1280, 720, Fraction(30))
        assert (source.name, source.mode) == ("HD Pro Webcam C920", "1280x720 MJPG 30 fps")
        assert source.device.path == Path(NODE)
    assert device.set_rates == [30]
    with CameraSource("c920", (640, 480), 15, kernel=kernel) as source:
        assert source.mode == "640x480 YUYV 15 fps"
    assert device.set_rates == [30, 15]


def test_camera_with_fixed_rate_is_opened() -> None:
    device = camera()
    device.failures[abi.S_PARM] = errno.ENOTTY
    with opened(device) as source:
        assert source.format.frame_rate == 30


def test_format_is_known_without_streaming() -> None:
    device = FakeDevice(modes=[VGA, HD])
    device.failures = dict.fromkeys((abi.S_FMT, abi.REQBUFS, abi.STREAMON, abi.S_PARM), errno.EBUSY)
    kernel = FakeKernel({NODE: device})
    form = camera_format("auto", (1280, 720), 30, kernel=kernel)
    assert form is not None
    assert (form.width, form.height, form.frame_rate, form.color.matrix) == (1280, 720, Fraction(30), BT601)
    assert camera_format("Brio", (1280, 720), 30, kernel=kernel) is None
    assert camera_format("rtsp://camera.example/stream", (1280, 720), 30, kernel=kernel) is None
    assert not kernel.open_fds


def test_open_camera_accepts_index() -> None:
    kernel = FakeKernel({NODE: camera(), "/dev/video4": FakeDevice("livebg", driver="v4l2 loopback", caps=OUTPUT)})
    with open_camera("0", SIZE, 30, kernel=kernel) as source:
        assert isinstance(source, CameraSource)


def test_times_of_many_frames_increase() -> None:
    device = camera()
    with opened(device) as source:
        frames = iter(source)
        kept: list[Frame] = []
        for _ in range(5):
            device.deliver(raw(bars(), "YUYV"))
            kept += islice(frames, 1)
    assert all(before.pts < after.pts for before, after in pairwise(kept))


def test_own_output_device_is_rejected() -> None:
    """Otherwise the call would show its own picture in a loop."""
    kernel = FakeKernel({"/dev/video42": FakeDevice("livebg", driver="v4l2 loopback")})
    for name in ("livebg", "/dev/video42", "42"):
        with pytest.raises(SourceError, match="is the device that livebg writes to"):
            open_camera(name, (640, 480), 30, output="livebg", kernel=kernel)
    with open_camera("livebg", (640, 480), 30, output="another", kernel=kernel) as source:
        assert source.name == "livebg"


@pytest.mark.parametrize("mode", ["portrait", "none"])
def test_run_off_linux_exits_unless_the_camera_is_a_url_or_file(
    mode: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cli = LivebgCli(tmp_path, monkeypatch)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr("sys.platform", "darwin")
    result = cli.livebg("run", "--output", "null", "--mode", mode)
    assert (result.code, result.error_line) == (
        3,
        "livebg reads local cameras only on Linux. Use --camera with a URL or a video file.",
    )
    shape = VideoFormat(1280, 720, Fraction(30))
    assert callable(build_camera(load_settings({"camera.device": "http://127.0.0.1:9/video"}), shape).open)
