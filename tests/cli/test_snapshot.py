"""``livebg snapshot``, and ``livebg preview`` without a display, against a session in the test process."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from livebg.compositing.composite import Consent
from livebg.daemon.runtime_dir import PREVIEW_NAME, hold_lock
from livebg.errors import ModelError
from livebg.pipeline import Passthrough, Processor
from livebg.preview import snapshot
from livebg.preview.client import PreviewClient
from tests.support.cli_runner import LivebgCli
from tests.support.fake_daemon import LIVE
from tests.support.live_session import PersonSegmenter, green_pipeline, person_mask, wait_for
from tests.support.preview_session import PreviewSession, adaptive_processor

NOT_RUNNING = "livebg is not running. Start it with `livebg run`."

pytestmark = pytest.mark.usefixtures("runtime")


@contextmanager
def running(build: Callable[[], Processor] = adaptive_processor) -> Iterator[PreviewSession]:
    """A session in the runtime folder of the command line."""
    with hold_lock() as folder, PreviewSession(folder, build=build, name=PREVIEW_NAME).on() as preview:
        yield preview


def test_snapshot_wakes_sleeping_daemon(cli: LivebgCli) -> None:
    with running() as preview:
        result = cli.livebg("snapshot", "me.png")
        assert (result.code, result.out, result.err) == (0, "me.png: 64x48, mode portrait\n", "")
        wait_for(lambda: not preview.camera_open, "the camera's end")
    with Image.open(cli.folder / "me.png") as image:
        assert (image.mode, image.size) == ("RGB", (64, 48))
        pixels = np.asarray(image)
    assert pixels[40, 32].min() > 240  # the person
    assert pixels[5, 5][1] > 240  # in front of green
    assert pixels[5, 5][[0, 2]].max() < 15
    assert cli.files() == {"me.png"}


def test_alpha_snapshot_is_gray_with_white_person(cli: LivebgCli) -> None:
    with running():
        assert cli.livebg("snapshot", "--alpha", "alpha.png").code == 0
    with Image.open(cli.folder / "alpha.png") as image:
        assert (image.mode, image.size) == ("L", (64, 48))
        assert np.abs(np.asarray(image) / 255 - person_mask(64, 48)).mean() < 0.02


@pytest.mark.parametrize("name", ["me.jpg", "me.JPEG", "me.webp"])
def test_snapshot_writes_jpeg_and_webp(cli: LivebgCli, name: str) -> None:
    with running():
        assert cli.livebg("snapshot", name).code == 0
    with Image.open(cli.folder / name) as image:
        assert image.format == ("WEBP" if name.endswith("webp") else "JPEG")
        assert np.asarray(image)[5, 5][1] > 200


def test_paused_daemon_gives_placeholder(cli: LivebgCli) -> None:
    with running() as preview:
        preview.live.pause()
        preview.status = replace(LIVE, state="paused", reason="Paused. Run `livebg resume` to continue.")
        result = cli.livebg("snapshot", "me.png")
    assert result.code == 0
    assert result.out == "me.png: 64x48, placeholder because livebg is paused (Paused. Run `livebg resume` to continue.)\n"
    with Image.open(cli.folder / "me.png") as image:
        assert np.asarray(image).max() < 160


def test_paused_daemon_has_no_matte(cli: LivebgCli) -> None:
    with running() as preview:
        preview.live.pause()
        preview.status = replace(LIVE, state="paused", reason="Paused. Run `livebg resume` to continue.")
        result = cli.livebg("snapshot", "--alpha", "me.png")
    assert result.code == 3
    assert result.error_line.startswith("No matte available: livebg is paused")
    assert cli.files() == set()


def test_effect_off_gives_no_matte(cli: LivebgCli) -> None:
    with running(lambda: Passthrough(Consent("a test"))) as preview:
        preview.status = replace(LIVE, mode="none")
        result = cli.livebg("snapshot", "--alpha", "me.png")
    assert (result.code, result.error_line) == (3, "There is no matte while the effect is off. Run `livebg on` first.")
    assert cli.files() == set()


def test_snapshot_stops_waiting_for_live_state(cli: LivebgCli) -> None:
    def fail(_: int) -> None:
        raise ModelError("no network today")

    with running(lambda: green_pipeline(PersonSegmenter(fail))) as preview:
        seen = snapshot.snapshot(cli.folder / "me.png", preview.channel, timeout=0.3)
    assert seen.placeholder
    assert cli.files() == {"me.png"}


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["me.gif"], 2, "me.gif has the suffix .gif. Use .png, .jpg or .webp."),
        (["me"], 2, "me has no suffix. Use .png, .jpg or .webp."),
        (["toy.png"], 4, "The output toy.png already exists. Choose another output, or use --overwrite."),
        (["no/me.png"], 4, "Cannot write no/me.png: no does not exist. Create the folder first, or choose another output."),
    ],
)
def test_invalid_path_fails_before_camera_opens(cli: LivebgCli, arguments: list[str], code: int, sentence: str) -> None:
    (cli.folder / "toy.png").write_bytes(b"mine")
    with running() as preview:
        result = cli.livebg("snapshot", *arguments)
        assert (result.code, result.error_line) == (code, sentence)
        assert not preview.cameras
    assert (cli.folder / "toy.png").read_bytes() == b"mine"


def test_overwrite_replaces_existing_file(cli: LivebgCli) -> None:
    (cli.folder / "me.png").write_bytes(b"mine")
    with running():
        assert cli.livebg("snapshot", "me.png", "--overwrite").code == 0
    with Image.open(cli.folder / "me.png") as image:
        assert image.size == (64, 48)


def test_snapshot_without_daemon_fails(cli: LivebgCli) -> None:
    result = cli.livebg("snapshot", "me.png")
    assert (result.code, result.error_line) == (6, NOT_RUNNING)
    assert cli.files() == set()


def test_preview_without_display_fails(cli: LivebgCli, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    result = cli.livebg("preview")
    assert result.code == 8
    assert "DISPLAY is not set" in result.error_line


def test_preview_client_finds_default_socket() -> None:
    with running(), PreviewClient() as channel:
        assert channel.next_frame(["composite"]).pictures
