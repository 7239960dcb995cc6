"""Network cameras, on a local server: Motion JPEG over HTTP, as cheap cameras use it."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice

import pytest

from livebg.errors import SourceError
from livebg.interfaces import LiveSource, Source
from livebg.sources.camera import open_camera
from livebg.sources.ffmpeg_camera import FFmpegCamera, is_url
from tests.support.camera_media import bars, jpeg, still
from tests.support.source_contract import SourceContract

SIZE = 320, 240
LONG = 20.0


class Lens:
    """The pictures that a camera sends: these, then the last one repeated, or nothing more."""

    def __init__(self, pictures: Sequence[bytes], stalls: bool = False) -> None:
        self.pictures = pictures
        self.stalls = stalls
        self.off = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        yield from self.pictures
        while not self.off.wait(0.01):
            if not self.stalls:
                yield self.pictures[-1]


@contextmanager
def serve(lens: Lens) -> Iterator[str]:
    """Serve the pictures and yield their URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=cut")
            self.end_headers()
            with suppress(OSError):
                for picture in lens:
                    self.wfile.write(b"--cut\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(picture))
                    self.wfile.write(picture + b"\r\n")
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    serving = threading.Thread(target=server.serve_forever, args=(0.01,))
    serving.start()
    try:
        yield f"http://user:secret@127.0.0.1:{server.server_port}/video?token=secret"
    finally:
        lens.off.set()
        server.shutdown()
        serving.join(LONG)
        server.server_close()


class TestNetworkCamera(SourceContract):
    @pytest.fixture
    def open_source(self) -> Iterator[Callable[[], Source]]:
        with serve(Lens([jpeg(bars(*SIZE))])) as url:
            yield lambda: FFmpegCamera(url, deadline=LONG)


def test_pictures_have_right_colors_and_current_time() -> None:
    with serve(Lens([jpeg(bars(*SIZE))])) as url, open_camera(url, (1280, 720), 30, deadline=LONG) as source:
        assert isinstance(source, FFmpegCamera)
        assert isinstance(source, LiveSource)
        before = source.now()
        frame = next(iter(source))
        assert before <= frame.time + 1e-5
        assert frame.time <= source.now() + 1e-5
    assert (frame.width, frame.height) == SIZE
    assert frame.y[:, 15].mean() == pytest.approx(235, abs=2)
    assert frame.y[:, 55].mean() == pytest.approx(16, abs=2)


def test_password_and_token_are_never_shown() -> None:
    with serve(Lens([jpeg(bars(*SIZE))])) as url, FFmpegCamera(url, deadline=LONG) as source:
        assert "secret" not in source.name + source.mode
        assert source.name.startswith("http://127.0.0.1:")
        assert "320x240 mjpeg" in source.mode
    with pytest.raises(SourceError) as caught:
        FFmpegCamera("http://user:secret@127.0.0.1:9/video", deadline=LONG)
    assert str(caught.value).startswith("The camera http://127.0.0.1:9/video cannot be opened (Connection refused)")


def test_stalled_camera_fails() -> None:
    lens = Lens([jpeg(still(bars(*SIZE), 40 * number)) for number in range(1, 6)], stalls=True)
    with serve(lens) as url, FFmpegCamera(url, deadline=0.3) as source, pytest.raises(SourceError, match="no more pictures"):
        for _ in islice(source, 100):
            pass


def test_disconnected_camera_fails() -> None:
    lens = Lens([jpeg(bars(*SIZE))])
    with serve(lens) as url, FFmpegCamera(url, deadline=LONG) as source:
        frames = iter(source)
        next(frames)
        lens.off.set()
        with pytest.raises(SourceError, match="no more pictures"):
            list(frames)


def test_changed_picture_size_fails() -> None:
    lens = Lens([jpeg(bars(*SIZE))] * 60 + [jpeg(bars(640, 480))])
    changed = pytest.raises(SourceError, match="changed its picture size from 320x240 to 640x480")
    with serve(lens) as url, FFmpegCamera(url, deadline=LONG) as source, changed:
        list(islice(source, 200))


def test_close_ends_wait_in_other_thread() -> None:
    lens = Lens([jpeg(bars(*SIZE))] * 5, stalls=True)
    with serve(lens) as url:
        source = FFmpegCamera(url, deadline=1)
        frames: list[object] = []
        failed: list[SourceError] = []

        def reading() -> None:
            try:
                frames.extend(source)
            except SourceError as error:
                failed.append(error)

        waiting = threading.Thread(target=reading)
        waiting.start()
        source.close()
        waiting.join(LONG)
        assert not waiting.is_alive()
        assert failed == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rtsp://host/1", True),
        ("http://host", True),
        ("HTTPS://host", True),
        ("/dev/video0", False),
        ("C920", False),
        ("C:\\a", False),
    ],
)
def test_urls_are_recognized(name: str, expected: bool) -> None:
    assert is_url(name) is expected
