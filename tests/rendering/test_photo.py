"""Photos in all modes and output formats."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from livebg.compositing.backgrounds import StillBackground
from livebg.config.loading import load_settings
from livebg.errors import ConfigError, SinkError
from livebg.factory import build_background, build_light, build_pipeline
from livebg.rendering.photo import Photo, check_suffix, render_photo, write_photo
from livebg.segmentation.u2net import U2NetSegmenter
from livebg.sinks.atomic_file import AtomicFile
from tests.support.cli_runner import LivebgCli
from tests.support.photos import GREEN, alpha_of, render_to_file, save_pixels, scene

MODES = ("portrait", "greenscreen", "matte", "cutout", "none")
SIZES = [(83, 61), (84, 60), (1, 1), (2, 2), (8, 8), (1, 50), (51, 2), (400, 3)]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_every_mode_keeps_size(mode: str, size: tuple[int, int], segmenter: U2NetSegmenter, tmp_path: Path) -> None:
    photo = Photo(save_pixels(scene(*size), tmp_path / "photo.png"))
    image = render_to_file(photo, segmenter, mode, tmp_path / "out.png")
    assert image.size == size
    assert image.mode == {"matte": "L", "cutout": "RGBA"}.get(mode, "RGB")


def test_odd_edge_is_repeated_in_frame(tmp_path: Path) -> None:
    pixels = scene(5, 3)
    frame = Photo(save_pixels(pixels, tmp_path / "photo.png")).frame
    assert (frame.width, frame.height, frame.time) == (6, 4, 0.0)
    assert (frame.y[3] == frame.y[2]).all()
    assert (frame.y[:, 5] == frame.y[:, 4]).all()


def test_mode_none_keeps_every_byte(segmenter: U2NetSegmenter, tmp_path: Path) -> None:
    pixels = scene()
    image = render_to_file(Photo(save_pixels(pixels, tmp_path / "photo.png")), segmenter, "none", tmp_path / "out.png")
    np.testing.assert_array_equal(np.asarray(image), pixels)


@pytest.mark.parametrize("size", SIZES[:2])
def test_cutout_keeps_photo_bytes_and_clears_room(size: tuple[int, int], segmenter: U2NetSegmenter, tmp_path: Path) -> None:
    pixels = scene(*size)
    photo = Photo(save_pixels(pixels, tmp_path / "photo.png"))
    alpha = alpha_of(photo, segmenter)
    assert (alpha == 0).mean() > 0.2
    assert (alpha == 255).mean() > 0.2
    assert ((alpha > 0) & (alpha < 255)).any()
    for ending in ("png", "webp", "tif"):
        result = np.asarray(render_to_file(photo, segmenter, "cutout", tmp_path / f"out.{ending}"))
        np.testing.assert_array_equal(result[..., 3], alpha)
        np.testing.assert_array_equal(result[alpha == 255][:, :3], pixels[alpha == 255])
        assert not result[alpha == 0].any()


@pytest.mark.parametrize("mode", ["portrait", "greenscreen"])
@pytest.mark.parametrize("size", SIZES[:2])
def test_person_keeps_photo_bytes(mode: str, size: tuple[int, int], segmenter: U2NetSegmenter, tmp_path: Path) -> None:
    pixels = scene(*size)
    photo = Photo(save_pixels(pixels, tmp_path / "photo.png"))
    alpha = alpha_of(photo, segmenter)
    result = np.asarray(render_to_file(photo, segmenter, mode, tmp_path / "out.png"))
    np.testing.assert_array_equal(result[alpha == 255], pixels[alpha == 255])
    room = cv2.erode((alpha == 0).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    assert room.sum() > 200
    if mode == "greenscreen":
        assert np.abs(result[room].astype(int) - GREEN).max() <= 2
    else:
        assert result[room].std() < pixels[room].std() / 3


def test_edge_blends_photo_with_background(segmenter: U2NetSegmenter, tmp_path: Path) -> None:
    gray = np.repeat(scene()[..., :1], 3, axis=2)
    photo = Photo(save_pixels(gray, tmp_path / "photo.png"))
    alpha = alpha_of(photo, segmenter)[..., None] / 255
    result = np.asarray(render_to_file(photo, segmenter, "greenscreen", tmp_path / "out.png")).astype(float)
    luma = [0.299, 0.587, 0.114]
    expected = (alpha * gray + (1 - alpha) * GREEN) @ luma
    assert np.abs(result @ luma - expected).mean() < 3


def test_jpeg_keeps_full_chroma_resolution(segmenter: U2NetSegmenter, tmp_path: Path) -> None:
    pixels = np.full((40, 60, 3), 200, np.uint8)
    pixels[:, ::2], pixels[:, 1::2] = (255, 150, 200), (200, 255, 150)
    photo = Photo(save_pixels(pixels, tmp_path / "photo.png"))
    assert alpha_of(photo, segmenter).min() > 240
    image = render_to_file(photo, segmenter, "greenscreen", tmp_path / "out.jpg")
    assert np.abs(np.asarray(image).astype(int) - pixels).max() < 16


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "tif", "bmp", "avif"])
def test_matte_is_within_two_levels_in_every_format(ending: str, segmenter: U2NetSegmenter, tmp_path: Path) -> None:
    photo = Photo(save_pixels(scene(), tmp_path / "photo.png"))
    image = render_to_file(photo, segmenter, "matte", tmp_path / f"out.{ending}")
    difference = np.asarray(image.convert("L")).astype(int) - alpha_of(photo, segmenter)
    assert np.abs(difference).max() <= 2


@pytest.mark.parametrize("name", ["out.mp4", "out.txt", "out.gif", "out"])
def test_unsupported_suffix_is_rejected(name: str) -> None:
    with pytest.raises(ConfigError, match=r"^Cannot write .+: .+ is not a photo format\. Use \.png or \.jpg\.$"):
        check_suffix(Path(name), "portrait")


@pytest.mark.parametrize("name", ["out.jpg", "out.JPEG", "out.bmp"])
def test_format_without_alpha_is_rejected_for_cutout(name: str) -> None:
    check_suffix(Path(name), "matte")
    with pytest.raises(ConfigError, match=r"does not support the transparency of a cutout\. Use \.png\.$"):
        check_suffix(Path(name), "cutout")


def test_photo_too_large_for_format_leaves_nothing(tmp_path: Path) -> None:
    for ending, width in (("webp", 17_000), ("jpg", 66_000)):
        path = tmp_path / f"out.{ending}"
        part = AtomicFile(path)
        with pytest.raises(
            SinkError,
            match=f"Cannot write .*out.{ending}: .* is limited to .* pixels per side, the photo is {width}x2. Use .png.",
        ):
            write_photo(Image.new("RGB", (width, 2)), part, path)
        part.rollback()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", ["portrait", "greenscreen", "cutout", "matte"])
def test_framing_enlarges_the_finished_photo(mode: str, cli: LivebgCli) -> None:
    """A bright person, half as high as the photo and 14 % below the window, which is 0.5 / 0.86 as high."""
    pixels = np.full((120, 160, 3), 20, np.uint8)
    pixels[60:, 90:130] = 235
    save_pixels(pixels, cli.folder / "photo.png")
    for zoom in ("1", "2"):
        assert cli.render("photo.png", "--mode", mode, "--framing", zoom, "-o", f"{zoom}.png").code == 0
    with Image.open(cli.folder / "1.png") as plain, Image.open(cli.folder / "2.png") as framed:
        size = 0.5 / 0.86
        left, top = (110 / 160 - size / 2) * 160, (1 - size) * 120
        expected = plain.convert("RGBA").resize(plain.size, box=(left, top, left + size * 160, 120))
        difference = np.abs(np.asarray(expected).astype(int) - np.asarray(framed.convert("RGBA")))
    assert difference.mean() < 4


@pytest.mark.parametrize("mode", ["portrait", "background", "cutout"])
def test_light_brightens_every_pixel_of_the_person(mode: str, segmenter: U2NetSegmenter, tmp_path: Path) -> None:
    """At full chroma resolution, by the same curve as the video's; without it the photo's own bytes are there."""
    values = load_settings({"effect.mode": mode, "effect.light": 0.5, "effect.light_auto": True})
    photo = Photo(save_pixels(scene(), tmp_path / "photo.png"))
    run = build_pipeline(values, segmenter)
    matte = run.matte(photo.frame)
    lit = np.asarray(render_photo(photo, run, mode, None, build_light(values)))[..., :3]
    person = matte.alpha[: lit.shape[0], : lit.shape[1]] > 250
    curve = build_light(values).curve(photo.frame, matte)
    assert curve is not None
    expected = curve.rgb(photo.rgb, photo.frame.color)
    assert person.sum() > 100
    assert np.abs(lit[person].astype(int) - expected[person]).max() <= 6
    assert lit[person].mean() > photo.rgb[person].mean() + 3


@pytest.mark.parametrize("background", ["#4080c0", "dusk"])
def test_dimmed_background_of_a_photo_keeps_its_detail(background: str, segmenter: U2NetSegmenter, tmp_path: Path) -> None:
    values = load_settings(
        {"effect.mode": "background", "effect.background": background, "effect.dim": 0.5, "effect.desaturate": 1.0}
    )
    photo = Photo(save_pixels(scene(), tmp_path / "photo.png"))
    behind = build_background(values)
    assert isinstance(behind, StillBackground)
    run = build_pipeline(values, segmenter, background=behind)
    shown = np.asarray(render_photo(photo, run, "background", behind, build_light(values)))
    room = run.matte(photo.frame).alpha[: shown.shape[0], : shown.shape[1]] == 0
    assert np.ptp(shown[room].astype(int), axis=1).max() <= 4
    assert np.abs(shown[room].astype(int) - behind.rgb(photo.frame)[: shown.shape[0], : shown.shape[1]][room]).max() <= 4
