"""The metadata that is copied to the output, and the metadata that is removed."""

import io
import struct
from itertools import product
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import ExifTags, Image, ImageCms

from livebg.rendering.photo import Photo
from livebg.segmentation.u2net import U2NetSegmenter
from tests.support.photos import render_to_file, scene


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif"])
def test_orientation_is_applied(orientation: int, ending: str, segmenter: U2NetSegmenter, tmp_path: Path) -> None:
    upright = np.zeros((24, 40, 3), np.uint8)
    upright[:8, :8], upright[-8:, :8], upright[:8, -8:] = (250, 0, 0), (0, 250, 0), (0, 0, 250)
    stored = Image.fromarray(upright)
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}.get(orientation)
    if undo is not None:
        stored = stored.transpose(Image.Transpose(undo))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    lossless = {"lossless": True} if ending == "webp" else {}
    quality = {"quality": 100, "subsampling": 0} if ending == "jpg" else lossless
    stored.save(tmp_path / f"photo.{ending}", exif=exif, **quality)
    photo = Photo(tmp_path / f"photo.{ending}")
    assert np.abs(photo.rgb.astype(int) - upright).max() <= 4
    image = render_to_file(photo, segmenter, "none", tmp_path / f"out.{ending}")
    assert image.size == (40, 24)
    assert ExifTags.Base.Orientation not in image.getexif()


def exif_with_thumbnail(exif: Image.Exif, thumbnail: bytes) -> bytes:
    """EXIF with a second directory that contains the thumbnail; Pillow can read but not write it."""
    content = bytearray(exif.tobytes())
    tiff = len(b"Exif\0\0")
    order = "<" if content[tiff : tiff + 2] == b"II" else ">"
    first = tiff + struct.unpack_from(order + "L", content, tiff + 4)[0]
    next_pointer = first + 2 + 12 * struct.unpack_from(order + "H", content, first)[0]
    begin = len(content) - tiff
    struct.pack_into(order + "L", content, next_pointer, begin)
    entries = [(0x0201, 4, 1, begin + 2 + 2 * 12 + 4), (0x0202, 4, 1, len(thumbnail))]
    directory = struct.pack(order + "H", len(entries)) + b"".join(struct.pack(order + "HHLL", *entry) for entry in entries)
    return bytes(content) + directory + bytes(4) + thumbnail


def with_thumbnail(path: Path) -> Path:
    """A JPEG as cameras write it, with thumbnails in EXIF and in the maker notes, a location, a comment and names."""
    pixels = scene(320, 240)
    small = io.BytesIO()
    Image.fromarray(pixels[::4, ::4]).save(small, "JPEG")
    exif = Image.Exif()
    exif[ExifTags.Base.Artist], exif[ExifTags.Base.Copyright] = "Ada", "CC0"
    exif[ExifTags.Base.DateTime], exif[ExifTags.Base.ImageDescription] = "2026:01:02 03:04:05", "a scene"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.MakerNote] = b"note" + small.getvalue()
    Image.fromarray(pixels).save(path, exif=exif_with_thumbnail(exif, small.getvalue()), quality=90, comment=b"my room")
    with Image.open(path) as image:
        assert image.getexif().get_ifd(ExifTags.IFD.IFD1)[0x0202] == len(small.getvalue())
    assert path.read_bytes().count(b"\xff\xd8\xff") == 3
    return path


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif", "avif"])
def test_names_are_kept_and_thumbnails_are_removed(ending: str, segmenter: U2NetSegmenter, tmp_path: Path) -> None:
    photo = Photo(with_thumbnail(tmp_path / "photo.jpg"))
    image = render_to_file(photo, segmenter, "portrait", tmp_path / f"out.{ending}")
    exif = image.getexif()
    assert exif[ExifTags.Base.Artist] == "Ada"
    assert exif[ExifTags.Base.Copyright] == "CC0"
    assert exif[ExifTags.Base.DateTime] == "2026:01:02 03:04:05"
    assert exif[ExifTags.Base.ImageDescription] == "a scene"
    assert not exif.get_ifd(ExifTags.IFD.Exif)
    assert not exif.get_ifd(ExifTags.IFD.GPSInfo)
    assert not exif.get_ifd(ExifTags.IFD.IFD1)
    content = (tmp_path / f"out.{ending}").read_bytes()
    assert content.count(b"\xff\xd8\xff") == (ending == "jpg")
    assert b"my room" not in content


def test_matte_has_no_metadata(segmenter: U2NetSegmenter, tmp_path: Path) -> None:
    image = render_to_file(Photo(with_thumbnail(tmp_path / "photo.jpg")), segmenter, "matte", tmp_path / "out.jpg")
    assert image.mode == "L"
    assert not dict(image.getexif())


@pytest.mark.parametrize(
    ("mode", "ending"), [("portrait", "jpg"), *product(("portrait", "cutout"), ("png", "webp", "tif", "avif"))]
)
def test_rgb_profile_is_kept(ending: str, mode: str, segmenter: U2NetSegmenter, tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(scene()).save(tmp_path / "photo.png", icc_profile=profile)
    image = render_to_file(Photo(tmp_path / "photo.png"), segmenter, mode, tmp_path / f"out.{ending}")
    assert image.info["icc_profile"] == profile


def lab_photo(path: Path) -> Path:
    """A TIFF in Lab with a matching profile."""
    lab = ImageCms.createProfile("LAB")
    image = ImageCms.profileToProfile(Image.fromarray(scene()), ImageCms.createProfile("sRGB"), lab, outputMode="LAB")
    assert image is not None
    image.save(path, icc_profile=ImageCms.ImageCmsProfile(lab).tobytes())
    return path


def test_other_profile_is_applied_and_removed(segmenter: U2NetSegmenter, tmp_path: Path) -> None:
    photo = Photo(lab_photo(tmp_path / "photo.tif"))
    assert np.abs(photo.rgb.astype(int) - scene()).mean() < 2
    assert photo.notes == ("converted from LAB to sRGB",)
    assert "icc_profile" not in render_to_file(photo, segmenter, "portrait", tmp_path / "out.png").info


def test_damaged_profile_is_ignored(tmp_path: Path) -> None:
    pixels = scene()[..., 0]
    Image.fromarray(pixels).save(tmp_path / "photo.png", icc_profile=b"no profile at all, but long enough")
    np.testing.assert_array_equal(Photo(tmp_path / "photo.png").rgb, np.repeat(pixels[..., None], 3, axis=2))


def dpi_of(path: Path) -> tuple[float, float]:
    """The resolution in the format's own field, or in EXIF, in dots per inch."""
    with Image.open(path) as image:
        if "dpi" in image.info:
            across, down = image.info["dpi"]
        else:
            exif = image.getexif()
            assert exif[ExifTags.Base.ResolutionUnit] == 2
            across, down = exif[ExifTags.Base.XResolution], exif[ExifTags.Base.YResolution]
    return float(across), float(down)


@pytest.mark.parametrize("mode", ["portrait", "greenscreen", "cutout", "none"])
@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif", "avif", "bmp"])
def test_resolution_is_kept(ending: str, mode: str, segmenter: U2NetSegmenter, tmp_path: Path) -> None:
    Image.fromarray(scene()).save(tmp_path / "photo.png", dpi=(300, 300))
    if mode == "cutout" and ending in ("jpg", "bmp"):
        ending = "png"
    render_to_file(Photo(tmp_path / "photo.png"), segmenter, mode, tmp_path / f"out.{ending}")
    assert dpi_of(tmp_path / f"out.{ending}") == pytest.approx((300, 300), abs=0.5)


@pytest.mark.parametrize("ending", ["jpg", "png", "tif"])
def test_resolution_of_a_matte_is_kept(ending: str, segmenter: U2NetSegmenter, tmp_path: Path) -> None:
    Image.fromarray(scene()).save(tmp_path / "photo.png", dpi=(300, 300))
    render_to_file(Photo(tmp_path / "photo.png"), segmenter, "matte", tmp_path / f"out.{ending}")
    assert dpi_of(tmp_path / f"out.{ending}") == pytest.approx((300, 300), abs=0.5)


def save_exif_resolution(path: Path, across: float, down: float, unit: int = 2, orientation: int = 1) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.XResolution], exif[ExifTags.Base.YResolution] = across, down
    exif[ExifTags.Base.ResolutionUnit], exif[ExifTags.Base.Orientation] = unit, orientation
    if path.suffix == ".heic":
        pillow_heif.from_pillow(Image.fromarray(scene())).save(path, exif=exif.tobytes())
    else:
        Image.fromarray(scene()).save(path, exif=exif)


@pytest.mark.parametrize("ending", ["webp", "avif", "heic"])
def test_resolution_in_exif_alone_is_kept(ending: str, segmenter: U2NetSegmenter, tmp_path: Path) -> None:
    save_exif_resolution(tmp_path / f"photo.{ending}", 240, 240)
    render_to_file(Photo(tmp_path / f"photo.{ending}"), segmenter, "portrait", tmp_path / "out.jpg")
    assert dpi_of(tmp_path / "out.jpg") == (240, 240)


def test_resolution_per_centimeter_is_converted(segmenter: U2NetSegmenter, tmp_path: Path) -> None:
    save_exif_resolution(tmp_path / "photo.webp", 100, 100, unit=3)
    render_to_file(Photo(tmp_path / "photo.webp"), segmenter, "portrait", tmp_path / "out.png")
    assert dpi_of(tmp_path / "out.png") == pytest.approx((254, 254), abs=0.5)


@pytest.mark.parametrize("ending", ["webp", "tif", "png"])
def test_resolutions_of_a_rotated_photo_are_exchanged(ending: str, segmenter: U2NetSegmenter, tmp_path: Path) -> None:
    """A fax has 204 dots per inch across and 98 down."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    if ending == "webp":
        save_exif_resolution(tmp_path / "photo.webp", 204, 98, orientation=6)
    else:
        Image.fromarray(scene()).save(tmp_path / f"photo.{ending}", exif=exif, dpi=(204, 98))
    image = render_to_file(Photo(tmp_path / f"photo.{ending}"), segmenter, "portrait", tmp_path / "out.png")
    assert image.size == (61, 83)
    assert dpi_of(tmp_path / "out.png") == pytest.approx((98, 204), abs=0.5)


@pytest.mark.parametrize("value", [0, 1e9, 0.001])
def test_absurd_resolution_is_left_out(value: float, segmenter: U2NetSegmenter, tmp_path: Path) -> None:
    save_exif_resolution(tmp_path / "photo.webp", value, 300)
    assert "dpi" not in render_to_file(Photo(tmp_path / "photo.webp"), segmenter, "portrait", tmp_path / "out.jpg").info
