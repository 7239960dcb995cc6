"""Photos in wide color spaces, and HDR photos."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pillow_heif
import pytest
from PIL import ExifTags, Image

from livebg.rendering.photo import Photo
from tests.support.cli_runner import LivebgCli
from tests.support.color_profiles import WIDE, gray_profile, rgb_profile, shown
from tests.support.media import Clip, yuv_picture
from tests.support.photos import save_photo

BLUE = (0x20, 0x40, 0x60)


def person(cli: LivebgCli, name: str = "photo.png", **options: Any) -> Path:
    """A photo whose left half is background; ``options`` are those of Pillow's writer."""
    save_photo(cli.folder / "plain.png", size=(120, 80))
    with Image.open(cli.folder / "plain.png") as image:
        image.save(cli.folder / name, **options)
    (cli.folder / "plain.png").unlink()
    return cli.folder / name


def rendered(cli: LivebgCli, *arguments: str) -> Image.Image:
    done = cli.render(*arguments, "-o", "out.png", "--overwrite")
    assert done.code == 0, done.err
    with Image.open(cli.folder / "out.png") as image:
        image.load()
    return image


def background_of(image: Image.Image) -> list[float]:
    """The mean of the background's colors, as a viewer shows them."""
    return [float(value) for value in shown(image)[10:-10, 10:30].mean(axis=(0, 1))]


@pytest.mark.parametrize("space", WIDE)
def test_background_color_appears_as_requested(space: str, cli: LivebgCli) -> None:
    profile = rgb_profile(space)
    person(cli, icc_profile=profile)
    image = rendered(cli, "photo.png", "--background", "#204060")
    assert image.info["icc_profile"] == profile
    # One level of ProPhoto's dark reds is five of sRGB.
    assert background_of(image) == pytest.approx(BLUE, abs=2.5 if space == "prophoto" else 1)


@pytest.mark.parametrize("space", WIDE)
def test_green_screen_appears_green(space: str, cli: LivebgCli) -> None:
    person(cli, icc_profile=rgb_profile(space))
    assert background_of(rendered(cli, "photo.png", "--mode", "greenscreen")) == pytest.approx((0, 255, 0), abs=3)


def test_builtin_background_looks_the_same_on_every_photo(cli: LivebgCli) -> None:
    person(cli)
    plain = background_of(rendered(cli, "photo.png", "--background", "dawn"))
    person(cli, icc_profile=rgb_profile("display-p3"))
    assert background_of(rendered(cli, "photo.png", "--background", "dawn")) == pytest.approx(plain, abs=2)


@pytest.mark.parametrize("photo_space", ["", "display-p3", "prophoto"])
@pytest.mark.parametrize("background_space", ["", "display-p3", "prophoto"])
def test_picture_background_looks_like_the_picture(photo_space: str, background_space: str, cli: LivebgCli) -> None:
    person(cli, icc_profile=rgb_profile(photo_space) if photo_space else None)
    picture = Image.new("RGB", (60, 40), (90, 120, 70))
    picture.save(cli.folder / "picture.png", icc_profile=rgb_profile(background_space) if background_space else None)
    with Image.open(cli.folder / "picture.png") as image:
        expected = shown(image)[0, 0]
    for fit in ("fill", "fit"):
        (cli.folder / "fit.toml").write_text(f'[effect]\nbackground_fit = "{fit}"')
        found = background_of(rendered(cli, "photo.png", "--background", "picture.png", "--config", "fit.toml"))
        assert found == pytest.approx([float(value) for value in expected], abs=3)


def test_video_background_looks_the_same_on_every_photo(cli: LivebgCli) -> None:
    Clip(count=3).write(cli.folder / "waves.mp4")
    person(cli)
    plain = background_of(rendered(cli, "photo.png", "--background", "waves.mp4"))
    person(cli, icc_profile=rgb_profile("prophoto"))
    assert background_of(rendered(cli, "photo.png", "--background", "waves.mp4")) == pytest.approx(plain, abs=2)


def test_heic_in_display_p3_by_code_points_alone_gets_a_profile(cli: LivebgCli) -> None:
    """Display P3 without an ICC profile."""
    pixels = save_photo(cli.folder / "plain.png", size=(120, 80))
    heif = pillow_heif.from_pillow(Image.fromarray(pixels))
    heif.save(
        cli.folder / "photo.heic", color_primaries=12, transfer_characteristics=13, matrix_coefficients=6, full_range_flag=1
    )
    image = rendered(cli, "photo.heic", "--background", "#204060")
    assert image.info["icc_profile"]
    assert background_of(image) == pytest.approx(BLUE, abs=2)


def test_adobe_rgb_by_exif_alone_gets_a_profile(cli: LivebgCli) -> None:
    """Adobe RGB as cameras mark it: in the interoperability directory of EXIF, without an ICC profile."""
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ColorSpace] = 65535
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.IFD.Interop] = {ExifTags.Interop.InteropIndex: "R03"}
    person(cli, "photo.jpg", exif=exif, quality=95)
    image = rendered(cli, "photo.jpg", "--background", "#204060")
    assert image.info["icc_profile"]
    assert background_of(image) == pytest.approx(BLUE, abs=2)


@pytest.mark.parametrize("mode", ["L", "LA", "1"])
def test_gray_profile_is_applied(mode: str, tmp_path: Path) -> None:
    """A linear gray of 128 is 188 in sRGB; also beside transparency."""
    level = 255 if mode == "1" else 128
    Image.new("L", (8, 6), level).convert(mode).save(tmp_path / "photo.png", icc_profile=gray_profile(1.0))
    photo = Photo(tmp_path / "photo.png")
    assert photo.rgb[3, 3].tolist() == pytest.approx([255 if mode == "1" else 188] * 3, abs=1)


def test_profile_of_another_color_model_is_no_obstacle(tmp_path: Path) -> None:
    """An RGB photo with the profile of gray, and one with a damaged RGB profile."""
    for profile in (gray_profile(1.0), rgb_profile("display-p3")[:200] + bytes(300)):
        Image.new("RGB", (8, 6), (10, 200, 30)).save(tmp_path / "photo.png", icc_profile=profile)
        assert Photo(tmp_path / "photo.png").rgb[3, 3].tolist() == [10, 200, 30]


PQ_50_NITS = 0.4402
HLG_50_NITS = 0.4972
"""Signals of gray at 50 cd/m2, below the highlights that tone mapping compresses. On a display of BT.1886 at 203 cd/m2 it is
(50 / 203) ** (1 / 2.4) = 0.558, level 142."""


def save_avif(path: Path, signal: float, transfer: int) -> None:
    planes = [np.full((64, 96), round(signal * 1023), np.uint16), *[np.full((32, 48), 512, np.uint16)] * 2]
    picture = yuv_picture(planes, "yuv420p10le")
    with av.open(path, "w", format="avif") as container:
        stream = container.add_stream("libsvtav1", rate=1)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p10le"
        for tagged in (stream.codec_context, picture):
            tagged.color_primaries, tagged.color_trc, tagged.colorspace, tagged.color_range = 9, transfer, 9, 2
        picture.pts = 0
        container.mux([*stream.encode(picture), *stream.encode(None)])


def save_heic(path: Path, signal: float, transfer: int) -> None:
    level = round(signal * 65535)
    pixels = np.full((64, 96, 3), level, "<u2")
    heif = pillow_heif.from_bytes("RGB;16", (96, 64), pixels.tobytes())
    heif.save(path, quality=-1, color_primaries=9, transfer_characteristics=transfer, matrix_coefficients=9, full_range_flag=1)


def save_png(path: Path, signal: float, transfer: int) -> None:
    """A PNG of 16 bits with the chunk cICP."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">L", len(content)) + kind + content + struct.pack(">L", zlib.crc32(kind + content))

    rows = (b"\0" + struct.pack(">H", round(signal * 65535)) * 3 * 96) * 64
    header = chunk(b"IHDR", struct.pack(">LLBBBBB", 96, 64, 16, 2, 0, 0, 0)) + chunk(b"cICP", bytes([9, transfer, 0, 1]))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


@pytest.mark.parametrize(("transfer", "name", "signal"), [(16, "PQ", PQ_50_NITS), (18, "HLG", HLG_50_NITS)])
@pytest.mark.parametrize(("save", "ending"), [(save_avif, "avif"), (save_heic, "heic"), (save_png, "png")])
def test_hdr_photo_is_tone_mapped_and_reported(
    save: Callable[[Path, float, int], None], ending: str, transfer: int, name: str, signal: float, tmp_path: Path
) -> None:
    save(tmp_path / f"photo.{ending}", signal, transfer)
    photo = Photo(tmp_path / f"photo.{ending}")
    assert photo.notes == (f"tone-mapped from {name} to SDR BT.709",)
    assert photo.rgb.shape == (64, 96, 3)
    assert photo.rgb[30, 40].tolist() == pytest.approx([142] * 3, abs=2)


@pytest.mark.parametrize("ending", ["avif", "heic", "png"])
def test_background_of_an_hdr_photo_is_srgb(ending: str, cli: LivebgCli) -> None:
    {"avif": save_avif, "heic": save_heic, "png": save_png}[ending](cli.folder / f"photo.{ending}", 0.1, 16)
    image = rendered(cli, f"photo.{ending}", "--background", "#204060")
    assert "icc_profile" not in image.info
    assert background_of(image) == pytest.approx(BLUE, abs=2)


def test_hdr_picture_as_background_is_tone_mapped(cli: LivebgCli) -> None:
    person(cli)
    save_heic(cli.folder / "picture.heic", PQ_50_NITS, 16)
    assert background_of(rendered(cli, "photo.png", "--background", "picture.heic")) == pytest.approx([142] * 3, abs=3)
