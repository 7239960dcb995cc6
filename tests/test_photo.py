"""Photos: every kind that is read, every mode, and what is kept of them."""

import io
import struct
from itertools import product
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms

from livebg.backgrounds import BlurBackground, ColorBackground
from livebg.compositing import Consent, composite, cutout, matte_picture
from livebg.errors import ConfigError, SinkError, SourceError
from livebg.frame import Composite, Frame, Matte
from livebg.interfaces import Background
from livebg.matting import EdgeUpsampler
from livebg.models.registry import unknown_card
from livebg.photo import Photo, check_ending, render_photo, write_photo
from livebg.pipeline import Look, Pipeline, Unprocessed
from livebg.segmentation import U2NetSegmenter
from livebg.sinks.part_file import PartFile
from livebg.smoothing import AlphaSmoother
from tests.toy_network import ToyNetwork

Pixels = NDArray[np.uint8]
GREEN = (0, 255, 0)
MODES = ("portrait", "greenscreen", "matte", "cutout", "none")
SIZES = [(83, 61), (84, 60), (1, 1), (2, 2), (8, 8), (1, 50), (51, 2), (400, 3)]


def scene(width: int = 83, height: int = 61) -> Pixels:
    """Dark at the left, bright at the right (the toy networks' person), coloured noise everywhere."""
    ramp = np.clip((np.arange(width) - 0.35 * width) / max(0.3 * width, 1), 0, 1) * 215 + 20
    noise = np.random.default_rng(width * height).integers(-20, 21, (height, width, 3))
    pixels: Pixels = np.clip(ramp[None, :, None] + noise, 0, 255).astype(np.uint8)
    return pixels


def laid_over(background: Background) -> Look:
    def look(frame: Frame, matte: Matte) -> Composite:
        return composite(frame, background.picture(frame, matte), matte)

    return look


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> U2NetSegmenter:
    network = ToyNetwork().write(tmp_path_factory.mktemp("network") / "toy.onnx")
    return U2NetSegmenter(network, unknown_card("toy.onnx"), provider="cpu")


def processor(segmenter: U2NetSegmenter, mode: str) -> Pipeline | Unprocessed:
    if mode == "none":
        return Unprocessed(Consent("test"))
    looks = {"matte": matte_picture, "cutout": cutout}
    backgrounds: dict[str, Background] = {"portrait": BlurBackground(0.05), "greenscreen": ColorBackground(GREEN)}
    look = looks[mode] if mode in looks else laid_over(backgrounds[mode])
    return Pipeline(segmenter, AlphaSmoother(), EdgeUpsampler(), look)


def alpha_of(photo: Photo, segmenter: U2NetSegmenter) -> Pixels:
    """The pipeline's own alpha, cropped to the photo's size."""
    pipeline = processor(segmenter, "matte")
    assert isinstance(pipeline, Pipeline)
    height, width = photo.rgb.shape[:2]
    return pipeline.matte(photo.frame).alpha[:height, :width]


def written(photo: Photo, segmenter: U2NetSegmenter, mode: str, path: Path) -> Image.Image:
    """The photo in a mode, by way of a file."""
    write_photo(render_photo(photo, processor(segmenter, mode), mode), PartFile(path), path)
    with Image.open(path) as image:
        image.load()
        return image


def saved(pixels: Pixels, path: Path) -> Path:
    Image.fromarray(pixels).save(path)
    return path


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_every_mode_keeps_the_size(mode: str, size: tuple[int, int], segmenter: U2NetSegmenter, tmp_path: Path) -> None:
    photo = Photo(saved(scene(*size), tmp_path / "photo.png"))
    image = written(photo, segmenter, mode, tmp_path / "out.png")
    assert image.size == size
    assert image.mode == {"matte": "L", "cutout": "RGBA"}.get(mode, "RGB")


def test_the_frame_repeats_an_odd_edge(tmp_path: Path) -> None:
    pixels = scene(5, 3)
    frame = Photo(saved(pixels, tmp_path / "photo.png")).frame
    assert (frame.width, frame.height, frame.time) == (6, 4, 0.0)
    assert (frame.y[3] == frame.y[2]).all()
    assert (frame.y[:, 5] == frame.y[:, 4]).all()


def test_none_gives_every_byte(segmenter: U2NetSegmenter, tmp_path: Path) -> None:
    pixels = scene()
    image = written(Photo(saved(pixels, tmp_path / "photo.png")), segmenter, "none", tmp_path / "out.png")
    np.testing.assert_array_equal(np.asarray(image), pixels)


@pytest.mark.parametrize("size", SIZES[:2])
def test_a_cutout_has_the_photos_bytes_where_somebody_is_and_nothing_elsewhere(
    size: tuple[int, int], segmenter: U2NetSegmenter, tmp_path: Path
) -> None:
    pixels = scene(*size)
    photo = Photo(saved(pixels, tmp_path / "photo.png"))
    alpha = alpha_of(photo, segmenter)
    assert (alpha == 0).mean() > 0.2
    assert (alpha == 255).mean() > 0.2
    assert ((alpha > 0) & (alpha < 255)).any()
    for ending in ("png", "webp", "tif"):
        result = np.asarray(written(photo, segmenter, "cutout", tmp_path / f"out.{ending}"))
        np.testing.assert_array_equal(result[..., 3], alpha)
        np.testing.assert_array_equal(result[alpha > 0][:, :3], pixels[alpha > 0])
        assert not result[alpha == 0].any()


@pytest.mark.parametrize("mode", ["portrait", "greenscreen"])
@pytest.mark.parametrize("size", SIZES[:2])
def test_the_person_has_the_photos_bytes(mode: str, size: tuple[int, int], segmenter: U2NetSegmenter, tmp_path: Path) -> None:
    pixels = scene(*size)
    photo = Photo(saved(pixels, tmp_path / "photo.png"))
    alpha = alpha_of(photo, segmenter)
    result = np.asarray(written(photo, segmenter, mode, tmp_path / "out.png"))
    np.testing.assert_array_equal(result[alpha == 255], pixels[alpha == 255])
    room = cv2.erode((alpha == 0).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    assert room.sum() > 200
    if mode == "greenscreen":
        assert np.abs(result[room].astype(int) - GREEN).max() <= 2
    else:
        assert result[room].std() < pixels[room].std() / 3


def test_between_person_and_room_the_photo_itself_is_mixed(segmenter: U2NetSegmenter, tmp_path: Path) -> None:
    grey = np.repeat(scene()[..., :1], 3, axis=2)
    photo = Photo(saved(grey, tmp_path / "photo.png"))
    alpha = alpha_of(photo, segmenter)[..., None] / 255
    result = np.asarray(written(photo, segmenter, "greenscreen", tmp_path / "out.png")).astype(float)
    luma = [0.299, 0.587, 0.114]
    expected = (alpha * grey + (1 - alpha) * GREEN) @ luma
    assert np.abs(result @ luma - expected).mean() < 3


def test_a_jpeg_keeps_the_colour_of_single_pixels(segmenter: U2NetSegmenter, tmp_path: Path) -> None:
    pixels = np.full((40, 60, 3), 200, np.uint8)
    pixels[:, ::2], pixels[:, 1::2] = (255, 150, 200), (200, 255, 150)
    photo = Photo(saved(pixels, tmp_path / "photo.png"))
    assert alpha_of(photo, segmenter).min() > 240
    image = written(photo, segmenter, "greenscreen", tmp_path / "out.jpg")
    assert np.abs(np.asarray(image).astype(int) - pixels).max() < 16


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "tif", "bmp", "avif"])
def test_a_matte_comes_back_within_two_levels(ending: str, segmenter: U2NetSegmenter, tmp_path: Path) -> None:
    photo = Photo(saved(scene(), tmp_path / "photo.png"))
    image = written(photo, segmenter, "matte", tmp_path / f"out.{ending}")
    difference = np.asarray(image.convert("L")).astype(int) - alpha_of(photo, segmenter)
    assert np.abs(difference).max() <= 2


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
    image = written(photo, segmenter, "none", tmp_path / f"out.{ending}")
    assert image.size == (40, 24)
    assert ExifTags.Base.Orientation not in image.getexif()


def exif_with_thumbnail(exif: Image.Exif, thumbnail: bytes) -> bytes:
    """EXIF with a second directory, which holds the small picture; Pillow reads such, but writes none."""
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
    """A JPEG as cameras write it: with a thumbnail, another in the maker's notes, a place, a comment, and names."""
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
def test_names_are_kept_small_pictures_of_the_room_are_not(ending: str, segmenter: U2NetSegmenter, tmp_path: Path) -> None:
    photo = Photo(with_thumbnail(tmp_path / "photo.jpg"))
    image = written(photo, segmenter, "portrait", tmp_path / f"out.{ending}")
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


def test_a_matte_carries_nothing_but_itself(segmenter: U2NetSegmenter, tmp_path: Path) -> None:
    image = written(Photo(with_thumbnail(tmp_path / "photo.jpg")), segmenter, "matte", tmp_path / "out.jpg")
    assert image.mode == "L"
    assert not dict(image.getexif())


@pytest.mark.parametrize(
    ("mode", "ending"), [("portrait", "jpg"), *product(("portrait", "cutout"), ("png", "webp", "tif", "avif"))]
)
def test_an_rgb_profile_is_kept(ending: str, mode: str, segmenter: U2NetSegmenter, tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(scene()).save(tmp_path / "photo.png", icc_profile=profile)
    image = written(Photo(tmp_path / "photo.png"), segmenter, mode, tmp_path / f"out.{ending}")
    assert image.info["icc_profile"] == profile


def lab_photo(path: Path) -> Path:
    """A TIFF in Lab, with the profile that says so."""
    lab = ImageCms.createProfile("LAB")
    image = ImageCms.profileToProfile(Image.fromarray(scene()), ImageCms.createProfile("sRGB"), lab, outputMode="LAB")
    assert image is not None
    image.save(path, icc_profile=ImageCms.ImageCmsProfile(lab).tobytes())
    return path


def test_another_profile_is_used_and_left_behind(segmenter: U2NetSegmenter, tmp_path: Path) -> None:
    photo = Photo(lab_photo(tmp_path / "photo.tif"))
    assert np.abs(photo.rgb.astype(int) - scene()).mean() < 2
    assert photo.notes == ("brought from LAB to sRGB",)
    assert "icc_profile" not in written(photo, segmenter, "portrait", tmp_path / "out.png").info


def test_a_damaged_profile_is_no_reason_to_stop(tmp_path: Path) -> None:
    pixels = scene()[..., 0]
    Image.fromarray(pixels).save(tmp_path / "photo.png", icc_profile=b"no profile at all, but long enough")
    np.testing.assert_array_equal(Photo(tmp_path / "photo.png").rgb, np.repeat(pixels[..., None], 3, axis=2))


def test_sixteen_bits_of_grey_are_brought_to_eight(tmp_path: Path) -> None:
    levels = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    for ending in ("png", "tif"):
        Image.fromarray(levels).save(tmp_path / f"photo.{ending}")
        photo = Photo(tmp_path / f"photo.{ending}")
        np.testing.assert_array_equal(photo.rgb, np.repeat((levels >> 8)[..., None], 3, axis=2))
        assert photo.notes == ("16 bits brought to 8",)


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
    assert photo.notes == ("transparent parts filled with black",)
    assert not photo.rgb[:30].any()
    np.testing.assert_array_equal(photo.rgb[30:], np.asarray(image.convert("RGBA"))[30:, :, :3])
    assert not np.asarray(written(photo, segmenter, "cutout", tmp_path / "out.png"))[:25, :, :3].any()


def test_of_several_pictures_the_first_is_taken(tmp_path: Path) -> None:
    first, second = Image.fromarray(scene()), Image.fromarray(255 - scene())
    first.save(tmp_path / "photo.webp", save_all=True, append_images=[second], lossless=True)
    photo = Photo(tmp_path / "photo.webp")
    np.testing.assert_array_equal(photo.rgb, scene())
    assert photo.notes == ("the first of 2 pictures",)


def test_plain_photos_need_no_notes(tmp_path: Path) -> None:
    assert Photo(saved(scene(), tmp_path / "photo.png")).notes == ()


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's own, on broken EXIF
@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif", "bmp", "avif"])
def test_damaged_files_are_refused_in_a_sentence(ending: str, tmp_path: Path) -> None:
    whole = saved(scene(), tmp_path / f"photo.{ending}").read_bytes()
    damaged = tmp_path / f"damaged.{ending}"
    random = np.random.default_rng(5)
    refused = 0
    for length in [0, 1, 10, len(whole) // 2, len(whole) - len(whole) // 10]:
        damaged.write_bytes(whole[:length])
        with pytest.raises(SourceError, match=r"is not a photo that can be read: use JPEG|is damaged or cut short: get it again"):
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
    with pytest.raises(SourceError, match=r"photo\.tif holds 32-bit numbers, which say nothing of where white is: save it with"):
        Photo(tmp_path / "photo.tif")


def test_a_photo_beyond_reason_is_refused(tmp_path: Path) -> None:
    Image.new("1", (20_000, 20_000)).save(tmp_path / "photo.png")
    with pytest.raises(SourceError, match="is too large for a photo: shrink it below 178 megapixels"):
        Photo(tmp_path / "photo.png")


@pytest.mark.parametrize("name", ["out.mp4", "out.txt", "out.gif", "out"])
def test_an_ending_that_is_no_photos(name: str) -> None:
    with pytest.raises(ConfigError, match=r": a photo cannot be written as .+: use \.png or \.jpg"):
        check_ending(Path(name), "portrait")


@pytest.mark.parametrize("name", ["out.jpg", "out.JPEG", "out.bmp"])
def test_an_ending_without_alpha(name: str) -> None:
    check_ending(Path(name), "matte")
    with pytest.raises(ConfigError, match=r"cannot hold the transparency of a cut-out: use \.png"):
        check_ending(Path(name), "cutout")


def test_a_picture_too_wide_for_its_kind_leaves_nothing(tmp_path: Path) -> None:
    for ending, width in (("webp", 17_000), ("jpg", 66_000)):
        path = tmp_path / f"out.{ending}"
        part = PartFile(path)
        with pytest.raises(
            SinkError, match=f"cannot write .*out.{ending}: .* goes to .* pixels a side and the photo has {width}x2: use .png"
        ):
            write_photo(Image.new("RGB", (width, 2)), part, path)
        part.discard()
    assert list(tmp_path.iterdir()) == []
