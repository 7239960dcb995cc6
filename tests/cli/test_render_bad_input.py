"""Bad input: a one-line error, the right exit code, nothing left behind."""

import os
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from livebg.rendering.jobs import MODES
from tests.support.cli_runner import LivebgCli, render_error
from tests.support.invalid_files import empty, noise, photo_by_name_only, text
from tests.support.media import Clip, write_sound

pytestmark = pytest.mark.usefixtures("silent_libraries")

UNREADABLE = "cannot be read as a video. Check that it is a complete video file."
NO_PHOTO = "is not a readable photo. Use JPEG, PNG, WebP, TIFF, BMP, AVIF, HEIC or JPEG 2000."


@pytest.mark.parametrize(
    ("make", "name", "message"),
    [
        (text, "talk.mp4", UNREADABLE),
        (text, "talk.mkv", UNREADABLE),
        (text, "talk.txt", UNREADABLE),
        (text, "talk", UNREADABLE),
        (text, "talk.gif", UNREADABLE),
        (noise, "talk.mp4", UNREADABLE),
        (noise, "talk.ts", UNREADABLE),
        (noise, "talk.avi", UNREADABLE),
        (empty, "talk.mp4", "is empty. Give a complete video file."),
        (text, "photo.jpg", NO_PHOTO),
        (text, "photo.heic", NO_PHOTO),
        (noise, "photo.png", NO_PHOTO),
        (noise, "photo.tif", NO_PHOTO),
        (empty, "photo.webp", NO_PHOTO),
        (photo_by_name_only, "photo.avif", NO_PHOTO),
    ],
)
def test_file_that_is_neither_video_nor_photo_fails(
    make: Callable[[Path], None], name: str, message: str, cli: LivebgCli
) -> None:
    make(cli.folder / name)
    assert render_error(cli, 3, name) == f"{name} {message}"


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_rejects_invalid_video(mode: str, cli: LivebgCli) -> None:
    text(cli.folder / "talk.mp4")
    assert render_error(cli, 3, "talk.mp4", "--mode", mode) == f"talk.mp4 {UNREADABLE}"


@pytest.mark.parametrize("ending", ["mp4", "mkv", "avi"])
def test_truncated_video_reports_complete_part(ending: str, cli: LivebgCli) -> None:
    options = {"movflags": "faststart"} if ending == "mp4" else {}
    codec = "mpeg4" if ending == "avi" else "libx264"
    path = Clip(count=100, codec=codec, container_options=options).write(cli.folder / f"talk.{ending}")
    os.truncate(path, path.stat().st_size * 2 // 3)
    message = render_error(cli, 3, path.name)
    assert message.startswith(f"talk.{ending} is truncated at ")
    assert "Copy it again, or process the complete part with --end " in message
    end = message.rpartition("--end ")[2].rstrip(".")
    assert cli.render(path.name, "--end", end).code == 0


def test_video_without_index_fails(cli: LivebgCli, clip: Path) -> None:
    os.truncate(clip, clip.stat().st_size // 2)
    assert render_error(cli, 3, str(clip)) == f"video.mp4 {UNREADABLE}"


def test_truncated_photo_fails(cli: LivebgCli) -> None:
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (40, 60, 3), np.uint8)).save("photo.jpg")
    os.truncate("photo.jpg", Path("photo.jpg").stat().st_size // 2)
    assert render_error(cli, 3, "photo.jpg") == "photo.jpg is damaged or truncated. Copy or download it again."


@pytest.mark.parametrize(
    ("ending", "message"),
    [
        ("mkv", f"talk.mkv {UNREADABLE}"),
        ("webm", f"talk.webm {UNREADABLE}"),
        ("mp4", "talk.mp4 has no video stream; it holds no stream that livebg can read. Give a file with video."),
        ("mov", "talk.mov has no video stream; it holds no stream that livebg can read. Give a file with video."),
        ("avi", "No picture in talk.avi can be decoded. Get an undamaged copy of the file."),
    ],
)
def test_video_without_frames_fails(ending: str, message: str, cli: LivebgCli) -> None:
    with av.open(f"talk.{ending}", "w") as container:
        stream = container.add_stream("libvpx-vp9" if ending == "webm" else "mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()
    assert render_error(cli, 3, f"talk.{ending}") == message


def test_audio_only_file_fails(cli: LivebgCli) -> None:
    write_sound(cli.folder / "talk.mp4", "aac")
    assert render_error(cli, 3, "talk.mp4") == "talk.mp4 has no video stream; it holds only sound. Give a file with video."


def test_fifo_and_broken_link_fail(cli: LivebgCli) -> None:
    os.mkfifo("pipe.mp4")
    assert render_error(cli, 3, "pipe.mp4") == "pipe.mp4 is not a regular file. Give the path of a video file."
    os.mkfifo("pipe.jpg")
    assert render_error(cli, 3, "pipe.jpg") == "pipe.jpg is not a regular file. Name a photo."
    Path("link.mp4").symlink_to("nowhere.mp4")
    assert render_error(cli, 3, "link.mp4") == "link.mp4 does not exist. Name a video, a photo or a folder."


@pytest.mark.parametrize("mode", MODES)
def test_8x8_pixel_inputs_render_in_every_mode(mode: str, cli: LivebgCli) -> None:
    Image.new("RGB", (8, 8), (200, 200, 200)).save(cli.folder / "photo.png")
    Clip(count=3, width=8, height=8).write(cli.folder / "video.mp4")
    result = cli.render("photo.png", "video.mp4", "--mode", mode, "--json")
    assert (result.code, result.err) == (0, "")
    assert result.json_lines[-1]["frames"] == 4
    with Image.open(f"photo.{mode}.png") as image:
        assert image.size == (8, 8)
    with av.open(f"video.{mode}.mov" if mode == "cutout" else f"video.{mode}.mp4") as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (8, 8)


def test_8k_inputs_render(cli: LivebgCli) -> None:
    picture = np.full((4320, 7680, 3), 230, np.uint8)
    picture[:, :3000] = 20
    Image.fromarray(picture).save(cli.folder / "photo.jpg")
    Clip(count=1, width=7680, height=4320, options={"preset": "ultrafast"}).write(cli.folder / "video.mp4")
    result = cli.render("photo.jpg", "video.mp4", "--mode", "greenscreen", "--preset", "ultrafast", "--json")
    assert (result.code, result.err) == (0, "")
    assert result.json_lines[-1]["frames"] == 2
    with Image.open("photo.greenscreen.jpg") as image:
        assert image.size == (7680, 4320)
        assert np.abs(np.array(image.getpixel((100, 4000))) - (0, 255, 0)).max() <= 3
        assert np.abs(np.array(image.getpixel((7000, 100))) - 230).max() <= 3
    with av.open("video.greenscreen.mp4") as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (7680, 4320)
