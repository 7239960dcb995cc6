"""Downloads of networks from the release, and failures."""

import hashlib
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from livebg.errors import ModelError
from livebg.models import ModelCard, pull

CONTENT = bytes(range(256)) * 1000
CARD = ModelCard(
    name="toy",
    file_name="toy.onnx",
    license="MIT",
    description="a toy",
    size_bytes=len(CONTENT),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
)


class Progress:
    """Records the progress calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, int]] = []

    def __call__(self, done: int, total: int) -> None:
        self.calls.append((done, total))


class Interrupting:
    """Raises KeyboardInterrupt after ``after`` bytes."""

    def __init__(self, after: int) -> None:
        self.after = after

    def __call__(self, done: int, total: int) -> None:
        if done >= min(self.after, total):
            raise KeyboardInterrupt


class Handler(BaseHTTPRequestHandler):
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
    with QuietServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_pull_downloads_release(address: str, folder: Path) -> None:
    progress = Progress()
    located = pull(replace(CARD, url=f"{address}/whole"), folder, progress)
    assert located.path == folder / "toy.onnx"
    assert located.path.read_bytes() == CONTENT
    assert files(folder) == ["toy.onnx"]
    assert progress.calls[0] == (0, len(CONTENT))
    assert progress.calls[-1] == (len(CONTENT), len(CONTENT))
    assert progress.calls == sorted(progress.calls)
    assert len(progress.calls) > 3


def test_valid_file_is_not_downloaded_again(address: str, folder: Path) -> None:
    pull(replace(CARD, url=f"{address}/whole"), folder)
    progress = Progress()
    pull(CARD, folder, progress)
    assert progress.calls == [(len(CONTENT), len(CONTENT))]


def test_invalid_file_is_replaced(address: str, folder: Path) -> None:
    folder.mkdir()
    (folder / "toy.onnx").write_bytes(CONTENT[::-1])
    pull(replace(CARD, url=f"{address}/whole"), folder)
    assert (folder / "toy.onnx").read_bytes() == CONTENT


@pytest.mark.parametrize("path", ["/changed", "/long"])
def test_wrong_checksum_fails_and_leaves_nothing(address: str, folder: Path, path: str) -> None:
    with pytest.raises(ModelError, match="The SHA-256 of the downloaded toy differs from the registry, so the file was deleted"):
        pull(replace(CARD, url=address + path), folder)
    assert files(folder) == []


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/short", "the release download ended after 100000 of 256000 bytes|the download failed: .*"),
        ("/reset", "the download failed: .*|the release cannot be reached: .*"),
        ("/missing", "the release cannot be reached: Not Found"),
    ],
)
def test_a_failed_download_leaves_nothing_and_says_why(address: str, folder: Path, path: str, reason: str) -> None:
    with pytest.raises(ModelError, match=rf"^toy could not be downloaded \(({reason})\)\. Connect to the internet"):
        pull(replace(CARD, url=address + path), folder)
    assert files(folder) == []


def test_download_stops_at_registered_size(address: str, folder: Path) -> None:
    progress = Progress()
    with pytest.raises(ModelError, match="SHA-256"):
        pull(replace(CARD, url=f"{address}/long"), folder, progress)
    assert len(progress.calls) < 10


def test_without_a_connection_it_tells_why_and_what_to_do(folder: Path) -> None:
    with pytest.raises(ModelError) as caught:
        pull(replace(CARD, url="http://127.0.0.1:9/toy.onnx"), folder)
    text = str(caught.value)
    assert text.startswith("toy could not be downloaded (the release cannot be reached: ")
    assert text.endswith("refused). Connect to the internet and run `livebg models pull toy` again.")
    assert files(folder) == []


@pytest.mark.parametrize("after", [0, 100_000, len(CONTENT)])
def test_ctrl_c_leaves_nothing(address: str, folder: Path, after: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        pull(replace(CARD, url=f"{address}/whole"), folder, Interrupting(after))
    assert files(folder) == []


def test_without_a_home_folder_there_is_no_place(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "nonexistent"))
    with pytest.raises(ModelError, match=r"^toy cannot be stored without a home directory\. Set HOME or XDG_CACHE_HOME\.$"):
        pull(replace(CARD, url=f"{address}/whole"))
    assert list(tmp_path.iterdir()) == []


def test_unwritable_folder_fails(address: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ModelError, match=r"toy could not be written to .*file/models"):
        pull(replace(CARD, url=f"{address}/whole"), tmp_path / "file" / "models")
