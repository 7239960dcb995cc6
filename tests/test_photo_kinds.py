"""Supported and unsupported photo formats."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from livebg.errors import SourceError
from livebg.rendering.photo import Photo
from livebg.segmentation.u2net import U2NetSegmenter
from tests.photos import saved, scene, written


def test_sixteen_bits_of_grey_are_brought_to_eight(tmp_path: Path) -> None:
    levels = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    for ending in ("png", "tif"):
        Image.fromarray(levels).save(tmp_path / f"photo.{ending}")
        photo = Photo(tmp_path / f"photo.{ending}")
        np.testing.assert_array_equal(photo.rgb, np.repeat((levels >> 8)[..., None], 3, axis=2))
        assert photo.notes == ("converted from 16 to 8 bits",)


def test_sixteen_bits_of_colour_are_brought_to_eight(tmp_path: Path) -> None:
    deep = np.random.default_rng(1).integers(0, 65536, (20, 30, 3), dtype=np.uint16)
    assert cv2.imwrite(str(tmp_path / "photo.png"), deep[..., ::-1])
    np.testing.assert_array_equal(Photo(tmp_path / "photo.png").rgb, deep >> 8)


@pytest.mark.parametrize(
    ("mode", "ending"), [("L", "png"), ("P", "png"), ("P", "tif"), ("CMYK", "tif"), ("1", "png"), ("YCbCr", "tif")]
)
def test_other_kinds_of_pixels(mode: str, ending: str, segmenter: U2NetSegmenter, tmp_path: Path) -> None:
    image = Image.fromarray(scene()).convert(mode)
    image.save(tmp_path / f"photo.{ending}")
    photo = Photo(tmp_path / f"photo.{ending}")
    assert np.abs(photo.rgb.astype(int) - np.asarray(image.convert("RGB"))).max() <= 2
    assert written(photo, segmenter, "portrait", tmp_path / f"out.{ending}").size == (83, 61)


def test_cmyk_jpeg_comes_out_in_rgb(segmenter: U2NetSegmenter, tmp_path: Path) -> None:
    Image.fromarray(scene()).convert("CMYK").save(tmp_path / "photo.jpg", quality=100)
    photo = Photo(tmp_path / "photo.jpg")
    assert np.abs(photo.rgb.astype(int) - scene()).mean() < 4
    assert written(photo, segmenter, "portrait", tmp_path / "out.jpg").mode == "RGB"


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_stays_hidden(mode: str, segmenter: U2NetSegmenter, tmp_path: Path) -> None:
    pixels = np.dstack([scene(), np.full((61, 83), 255, np.uint8)])
    pixels[:30, :, 3] = 0
    image = Image.fromarray(pixels).convert(mode)
    image.save(tmp_path / "photo.png")
    photo = Photo(tmp_path / "photo.png")
    assert photo.notes == ("transparent areas filled with black",)
    assert not photo.rgb[:30].any()
    np.testing.assert_array_equal(photo.rgb[30:], np.asarray(image.convert("RGBA"))[30:, :, :3])
    assert not np.asarray(written(photo, segmenter, "cutout", tmp_path / "out.png"))[:25, :, :3].any()


def test_of_several_pictures_the_first_is_taken(tmp_path: Path) -> None:
    first, second = Image.fromarray(scene()), Image.fromarray(255 - scene())
    first.save(tmp_path / "photo.webp", save_all=True, append_images=[second], lossless=True)
    photo = Photo(tmp_path / "photo.webp")
    np.testing.assert_array_equal(photo.rgb, scene())
    assert photo.notes == ("only the first of 2 pictures",)


def test_plain_photos_need_no_notes(tmp_path: Path) -> None:
    assert Photo(saved(scene(), tmp_path / "photo.png")).notes == ()


@pytest.mark.filterwarnings("ignore::UserWarning")  # from Pillow, for damaged EXIF
@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif", "bmp", "avif"])
def test_damaged_files_are_refused_in_a_sentence(ending: str, tmp_path: Path) -> None:
    whole = saved(scene(), tmp_path / f"photo.{ending}").read_bytes()
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


def test_numbers_without_a_white_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)).save(tmp_path / "photo.tif")
    with pytest.raises(SourceError, match=r"photo\.tif has 32-bit samples, which define no white level\. Save it with"):
        Photo(tmp_path / "photo.tif")


def test_a_photo_beyond_reason_is_refused(tmp_path: Path) -> None:
    Image.new("1", (20_000, 20_000)).save(tmp_path / "photo.png")
    with pytest.raises(SourceError, match=r"is too large\. Reduce it to less than 178 megapixels"):
        Photo(tmp_path / "photo.png")
