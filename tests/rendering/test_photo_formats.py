"""Supported and unsupported photo formats."""

import struct
from pathlib import Path

import cv2
import numpy as np
import pillow_heif
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image

from livebg.errors import SourceError
from livebg.rendering.photo import Photo
from livebg.segmentation.u2net import U2NetSegmenter
from tests.support.cli_runner import LivebgCli
from tests.support.photos import render_to_file, save_photo, save_pixels, scene


def test_16_bit_gray_becomes_8_bit(tmp_path: Path) -> None:
    levels = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    for ending in ("png", "tif"):
        Image.fromarray(levels).save(tmp_path / f"photo.{ending}")
        photo = Photo(tmp_path / f"photo.{ending}")
        np.testing.assert_array_equal(photo.rgb, np.repeat((levels >> 8)[..., None], 3, axis=2))
        assert photo.notes == ("converted from 16 to 8 bits",)


def test_16_bit_color_becomes_8_bit(tmp_path: Path) -> None:
    deep = np.random.default_rng(1).integers(0, 65536, (20, 30, 3), dtype=np.uint16)
    assert cv2.imwrite(str(tmp_path / "photo.png"), deep[..., ::-1])
    np.testing.assert_array_equal(Photo(tmp_path / "photo.png").rgb, deep >> 8)


@pytest.mark.parametrize(
    ("mode", "ending"), [("L", "png"), ("P", "png"), ("P", "tif"), ("CMYK", "tif"), ("1", "png"), ("YCbCr", "tif")]
)
def test_other_pixel_modes_are_converted(mode: str, ending: str, segmenter: U2NetSegmenter, tmp_path: Path) -> None:
    image = Image.fromarray(scene()).convert(mode)
    image.save(tmp_path / f"photo.{ending}")
    photo = Photo(tmp_path / f"photo.{ending}")
    assert np.abs(photo.rgb.astype(int) - np.asarray(image.convert("RGB"))).max() <= 2
    assert render_to_file(photo, segmenter, "portrait", tmp_path / f"out.{ending}").size == (83, 61)


def test_cmyk_jpeg_becomes_rgb(segmenter: U2NetSegmenter, tmp_path: Path) -> None:
    Image.fromarray(scene()).convert("CMYK").save(tmp_path / "photo.jpg", quality=100)
    photo = Photo(tmp_path / "photo.jpg")
    assert np.abs(photo.rgb.astype(int) - scene()).mean() < 4
    assert render_to_file(photo, segmenter, "portrait", tmp_path / "out.jpg").mode == "RGB"


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_areas_stay_hidden(mode: str, segmenter: U2NetSegmenter, tmp_path: Path) -> None:
    pixels = np.dstack([scene(), np.full((61, 83), 255, np.uint8)])
    pixels[:30, :, 3] = 0
    image = Image.fromarray(pixels).convert(mode)
    image.save(tmp_path / "photo.png")
    photo = Photo(tmp_path / "photo.png")
    assert photo.notes == ("transparent areas filled with black",)
    assert not photo.rgb[:30].any()
    np.testing.assert_array_equal(photo.rgb[30:], np.asarray(image.convert("RGBA"))[30:, :, :3])
    assert not np.asarray(render_to_file(photo, segmenter, "cutout", tmp_path / "out.png"))[:25, :, :3].any()


def test_first_picture_of_several_is_used(tmp_path: Path) -> None:
    first, second = Image.fromarray(scene()), Image.fromarray(255 - scene())
    first.save(tmp_path / "photo.webp", save_all=True, append_images=[second], lossless=True)
    photo = Photo(tmp_path / "photo.webp")
    np.testing.assert_array_equal(photo.rgb, scene())
    assert photo.notes == ("only the first of 2 pictures",)


def test_plain_photo_has_no_notes(tmp_path: Path) -> None:
    assert Photo(save_pixels(scene(), tmp_path / "photo.png")).notes == ()


@pytest.mark.filterwarnings("ignore::UserWarning")  # from Pillow, for damaged EXIF
@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif", "bmp", "avif", "heic", "jp2"])
def test_damaged_files_fail_with_clear_message(ending: str, tmp_path: Path) -> None:
    pillow_heif.from_pillow(Image.fromarray(scene())).save(tmp_path / "photo.heic")
    path = tmp_path / f"photo.{ending}"
    whole = (path if ending == "heic" else save_pixels(scene(), path)).read_bytes()
    damaged = tmp_path / f"damaged.{ending}"
    random = np.random.default_rng(5)
    refused = 0
    for length in [0, 1, 10, len(whole) // 2, len(whole) - len(whole) // 10]:
        damaged.write_bytes(whole[:length])
        with pytest.raises(
            SourceError, match=r"is not a readable photo\. Use JPEG|is damaged or truncated\. Copy or download it again"
        ):
            Photo(damaged)
    for _ in range(30):
        content = bytearray(whole)
        for position in random.integers(0, min(len(content), 300), 8):
            content[position] = random.integers(256)
        damaged.write_bytes(content)
        try:
            Photo(damaged)
        except SourceError:
            refused += 1
    assert refused > 5


def test_float_samples_are_rejected(tmp_path: Path) -> None:
    Image.fromarray(np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)).save(tmp_path / "photo.tif")
    with pytest.raises(SourceError, match=r"photo\.tif has 32-bit samples, which define no white level\. Save it with"):
        Photo(tmp_path / "photo.tif")


def test_huge_photo_is_rejected(tmp_path: Path) -> None:
    Image.new("1", (20_000, 20_000)).save(tmp_path / "photo.png")
    with pytest.raises(SourceError, match=r"is too large\. Reduce it to less than 178 megapixels"):
        Photo(tmp_path / "photo.png")


def blocks(width: int, height: int) -> NDArray[np.uint8]:
    """A picture whose corners differ: red, green, blue and white."""
    pixels = np.zeros((height, width, 3), np.uint8)
    middle, center = height // 2, width // 2
    pixels[:middle, :center], pixels[:middle, center:] = (220, 20, 20), (20, 220, 20)
    pixels[middle:, :center], pixels[middle:, center:] = (20, 20, 220), (220, 220, 220)
    return pixels


@pytest.mark.parametrize("tile", [0, 64])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_heic_is_joined_and_upright(orientation: int, tile: int, tmp_path: Path) -> None:
    """A photo of 160x96 in one piece and in six tiles: the file stores turned pixels and how to turn them."""
    upright = blocks(160, 96)
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}.get(orientation)
    stored = Image.fromarray(upright) if undo is None else Image.fromarray(upright).transpose(Image.Transpose(undo))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    heif = pillow_heif.from_pillow(stored)
    heif.save(tmp_path / "photo.heic", quality=95, exif=exif.tobytes(), tile_size=tile)
    assert ("tiling" in pillow_heif.open_heif(tmp_path / "photo.heic").info) == bool(tile)
    photo = Photo(tmp_path / "photo.heic")
    assert photo.rgb.shape == upright.shape
    assert np.abs(photo.rgb.astype(int) - upright).mean() < 6
    assert photo.notes == ()


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_opaque_alpha_is_no_transparent_area(mode: str, tmp_path: Path) -> None:
    pixels = blocks(64, 48)
    Image.fromarray(pixels).convert(mode).save(tmp_path / "photo.png")
    photo = Photo(tmp_path / "photo.png")
    assert photo.notes == ()
    assert mode == "LA" or np.array_equal(photo.rgb, pixels)


@pytest.mark.parametrize(
    ("mode", "notes"),
    [
        ("L", ()),
        ("RGBA", ("transparent areas filled with black",)),
        ("RGB;16", ("converted from 10 to 8 bits",)),
        ("L;16", ("converted from 10 to 8 bits",)),
    ],
)
def test_heic_of_other_pixels(mode: str, notes: tuple[str, ...], tmp_path: Path) -> None:
    channels = {"L": 1, "L;16": 1, "RGBA": 4, "RGB;16": 3}[mode]
    levels = np.broadcast_to(np.linspace(20, 230, 90)[None, :, None], (70, 90, channels)).round()
    pixels = (levels * 257).astype("<u2") if mode.endswith("16") else levels.astype(np.uint8)
    if mode == "RGBA":
        pixels = pixels.copy()
        pixels[..., 3] = 255
        pixels[:30, :, 3] = 0
    pillow_heif.from_bytes(mode, (90, 70), pixels.tobytes()).save(tmp_path / "photo.heic", quality=100)
    photo = Photo(tmp_path / "photo.heic")
    assert photo.notes == notes
    assert np.abs(photo.rgb[40:].astype(int) - levels[40:, :, :1]).max() <= 4
    assert mode != "RGBA" or not photo.rgb[:30].any()


@pytest.mark.parametrize(
    ("name", "mode", "output"),
    [
        ("IMG_1.HEIC", "portrait", "IMG_1.portrait.jpg"),
        ("IMG_1.hif", "greenscreen", "IMG_1.greenscreen.jpg"),
        ("IMG_1.heic", "cutout", "IMG_1.cutout.png"),
        ("IMG_1.heif", "matte", "IMG_1.matte.png"),
        ("IMG_1.mpo", "portrait", "IMG_1.portrait.jpg"),
        ("IMG_1.jp2", "portrait", "IMG_1.portrait.jpg"),
    ],
)
def test_photos_that_are_only_read_are_written_in_another_format(name: str, mode: str, output: str, cli: LivebgCli) -> None:
    pixels = save_photo(cli.folder / "plain.png")
    first = Image.fromarray(pixels)
    if name.endswith("mpo"):
        first.save(cli.folder / name, save_all=True, append_images=[first])
    elif name.endswith("jp2"):
        first.save(cli.folder / name)
    else:
        pillow_heif.from_pillow(first).save(cli.folder / name, format="HEIF")
    before, files = (cli.folder / name).read_bytes(), cli.files()
    done = cli.render(name, "--mode", mode)
    assert done.code == 0, done.err
    assert cli.files() - files == {output}
    assert f"{name}: written as {output[-3:]}, because livebg does not write {name.rpartition('.')[2].lower()}" in done.err
    assert (cli.folder / name).read_bytes() == before
    with Image.open(cli.folder / output) as image:
        assert image.size == first.size


def test_jpeg_2000_is_exact(tmp_path: Path) -> None:
    Image.fromarray(scene()).save(tmp_path / "photo.jp2")
    np.testing.assert_array_equal(Photo(tmp_path / "photo.jp2").rgb, scene())


@pytest.mark.parametrize("ending", ["jpg", "mpo"])
def test_gain_map_is_left_out_and_reported(ending: str, segmenter: U2NetSegmenter, tmp_path: Path) -> None:
    """A JPEG with a second picture, a gain map, as Android phones write it."""
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><hdrgm xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"/>'
    main, gain = Image.fromarray(scene()), Image.fromarray(scene()[::2, ::2, 0])
    main.save(tmp_path / f"photo.{ending}", "MPO", save_all=True, append_images=[gain], xmp=xmp)
    photo = Photo(tmp_path / f"photo.{ending}")
    assert photo.notes == ("HDR gain map left out",)
    render_to_file(photo, segmenter, "portrait", tmp_path / "out.jpg")
    assert (tmp_path / "out.jpg").read_bytes().count(b"\xff\xd8\xff") == 1


def test_a_heic_beyond_reason_is_refused(tmp_path: Path) -> None:
    """The size in the file's header counts: nothing is decoded before it is checked."""
    pillow_heif.from_pillow(Image.new("RGB", (64, 64))).save(tmp_path / "photo.heic")
    content = (tmp_path / "photo.heic").read_bytes()
    size, absurd = (b"ispe" + struct.pack(">LLL", 0, side, side) for side in (64, 30_000))
    assert content.count(size) == 1
    (tmp_path / "photo.heic").write_bytes(content.replace(size, absurd))
    with pytest.raises(SourceError, match=r"is too large\. Reduce it to|is not a readable photo|is damaged or truncated"):
        Photo(tmp_path / "photo.heic")


def test_jpeg_xl_is_refused_as_a_photo(cli: LivebgCli) -> None:
    (cli.folder / "photo.jxl").write_bytes(b"\xff\x0a\x41\x40\x40\x71")
    done = cli.render("photo.jxl", "-o", "out.jpg")
    assert done.code == 3
    assert done.error_line == "photo.jxl is not a readable photo. Use JPEG, PNG, WebP, TIFF, BMP, AVIF, HEIC or JPEG 2000."
