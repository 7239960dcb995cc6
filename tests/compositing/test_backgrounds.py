"""Backgrounds: blur without the person in it, colors, pictures."""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from livebg.compositing.backgrounds import MIN_BLUR, BlurBackground, ColorBackground, PictureBackground, read_picture
from livebg.compositing.composite import composite
from livebg.errors import ConfigError
from livebg.imaging.frame import BT601, BT709, Alpha8, ColorSpec, Frame, Matte, i420_to_rgb, planes, rgb_to_i420
from livebg.synthetic import procedural_room
from tests.support.pipeline_fakes import gray_frame, noise_frame

SIZES = [(64, 48), (320, 180), (8, 8), (2, 2), (642, 362), (90, 1280)]


def matte(alpha: Alpha8) -> Matte:
    return Matte(alpha, 0.0, 0.0)


def room_with_person(size: tuple[int, int] = (320, 180)) -> tuple[Frame, Matte]:
    """A mid-gray room with a white person in a box at its center."""
    frame = gray_frame(luma=100, size=size)
    data = frame.data.copy()
    alpha = np.zeros((size[1], size[0]), np.uint8)
    alpha[size[1] // 3 :, size[0] // 3 : size[0] * 2 // 3] = 255
    data[: size[1]][alpha == 255] = 235
    return Frame(data, 0, frame.time_base, frame.color), matte(alpha)


@pytest.mark.parametrize("coarse", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.025, 0.1, 1.0])
@pytest.mark.parametrize("size", SIZES)
def test_uniform_room_stays_uniform_at_any_blur_and_size(size: tuple[int, int], share: float, coarse: bool) -> None:
    picture = BlurBackground(share, coarse=coarse).picture(
        gray_frame(luma=100, size=size), matte(np.zeros((size[1], size[0]), np.uint8))
    )
    y, u, v = planes(picture)
    assert np.abs(y.astype(int) - 100).max() <= 1
    assert np.abs(u.astype(int) - 128).max() <= 1
    assert np.abs(v.astype(int) - 128).max() <= 1


@pytest.mark.parametrize("coarse", [False, True])
@pytest.mark.parametrize("share", [0.01, 0.025, 0.1])
def test_blur_leaves_no_halo_of_the_person(share: float, coarse: bool) -> None:
    frame, alpha = room_with_person()
    y = planes(BlurBackground(share, coarse=coarse).picture(frame, alpha))[0]
    outside = y[alpha.alpha == 0].astype(int)
    # A plain blur would show up to half of the step of 135 levels here.
    assert np.abs(outside - 100).max() <= 1


@pytest.mark.parametrize("share", [0.01, 0.025, 0.1])
def test_coarse_blur_is_close_to_fine_blur(share: float) -> None:
    size = (640, 360)
    color = ColorSpec(BT709)
    frame = Frame(rgb_to_i420(procedural_room(4, size), color), 0, gray_frame().time_base, color)
    alpha = room_with_person(size)[1]
    room = alpha.alpha == 0
    fine, coarse = (
        planes(BlurBackground(share, coarse=each).picture(frame, alpha))[0][room].astype(int) for each in (False, True)
    )
    assert np.abs(fine - coarse).mean() < 2
    assert not (fine == coarse).all()


@pytest.mark.parametrize("share", [0.01, 0.025, 0.1])
def test_disc_blur_leaves_no_halo_of_the_person(share: float) -> None:
    frame, alpha = room_with_person()
    y = planes(BlurBackground(share, lens="disc").picture(frame, alpha))[0]
    assert np.abs(y[alpha.alpha == 0].astype(int) - 100).max() <= 1


def test_disc_blur_turns_light_into_bright_disc() -> None:
    """A point of light: flat within the disc's radius and 0 beyond it, while the Gaussian has a peak and no limit."""
    data = gray_frame(luma=30, size=(640, 360)).data.copy()
    data[172:188, 312:328] = 235
    frame, nothing = Frame(data, 0, gray_frame().time_base), matte(np.zeros((360, 640), np.uint8))
    disc, soft = (planes(BlurBackground(0.05, lens=lens).picture(frame, nothing))[0].astype(int) for lens in ("disc", "gaussian"))
    radius = round(2 * 0.05 * 360)
    middle, half, out = disc[180, 320], disc[180, 320 + radius // 2], disc[180, 320 + radius + 20]
    assert middle > soft[180, 320] + 8
    assert middle - half < (middle - 30) / 4
    assert out <= 32
    assert soft[180, 320] - soft[180, 320 + radius // 2] > (soft[180, 320] - 30) / 4


def test_red_person_leaves_no_red_on_white_wall() -> None:
    color = ColorSpec(BT709)
    rgb = np.full((720, 1280, 3), 235, np.uint8)
    hard = np.zeros((720, 1280), np.uint8)
    cv2.ellipse(hard, (640, 720), (300, 420), 0, 0, 360, 255, cv2.FILLED)
    alpha = cv2.GaussianBlur(hard, (0, 0), 1.5)
    share = alpha[..., None] / 255
    frame = Frame(
        rgb_to_i420(np.rint((200, 20, 20) * share + rgb * (1 - share)).astype(np.uint8), color), 0, Fraction(1, 30), color
    )
    own = Matte(np.asarray(alpha, np.uint8), 0.0, 0.0)
    outside = cv2.dilate((alpha > 0).astype(np.uint8), np.ones((7, 7), np.uint8)) == 0
    for lens in ("gaussian", "disc"):
        shown = composite(frame, BlurBackground(0.025, lens=lens).picture(frame, own), own)
        picture = Frame(shown.data, 0, Fraction(1, 30), color).rgb((1280, 720)).astype(int)
        redder = (picture[..., 0] - picture[..., 1:].max(axis=2))[outside]
        assert redder.max() <= 2


def test_fitted_picture_is_surrounded_by_its_blur() -> None:
    rgb = np.full((50, 201, 3), 220, np.uint8)
    data = PictureBackground(rgb, "fit").picture(gray_frame(size=(64, 64)), matte(np.zeros((64, 64), np.uint8)))
    luma = planes(data)[0]
    assert (np.abs(luma[26:38].astype(int) - 205) <= 2).all()
    assert (luma[:20] < 140).all()
    assert (luma[44:] < 140).all()


@pytest.mark.parametrize("full_range", [False, True])
def test_surroundings_of_fitted_picture_keep_its_hue_and_saturation(full_range: bool) -> None:
    color, size = ColorSpec(BT709, full_range=full_range), (64, 64)
    frame = Frame(gray_frame(size=size).data, 0, Fraction(1, 30), color)
    picture = PictureBackground(np.full((50, 201, 3), (220, 150, 110), np.uint8), "fit")
    rgb = i420_to_rgb(picture.picture(frame, matte(np.zeros(size, np.uint8))), color, size)
    assert np.abs(rgb[:20].astype(int) - (132, 90, 66)).max() <= 3


def test_blur_is_uniform_when_person_fills_frame() -> None:
    frame = noise_frame(1)
    y = planes(BlurBackground(0.025).picture(frame, matte(np.full((48, 64), 255, np.uint8))))[0]
    assert int(y.max()) - int(y.min()) <= 2


def test_zero_blur_is_minimum_blur() -> None:
    frame = noise_frame(1, (640, 480))
    nothing = matte(np.zeros((480, 640), np.uint8))
    weakest = BlurBackground(0.0).picture(frame, nothing)
    assert (weakest == BlurBackground(MIN_BLUR).picture(frame, nothing)).all()
    assert planes(weakest)[0].std() < planes(frame.data)[0].std() / 3


def test_more_blur_keeps_less_detail() -> None:
    frame, nothing = noise_frame(1, (320, 180)), matte(np.zeros((180, 320), np.uint8))
    detail = [planes(BlurBackground(share).picture(frame, nothing))[0].std() for share in (0.01, 0.03, 0.1)]
    assert detail == sorted(detail, reverse=True)
    assert detail[2] < detail[0] / 2


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_blur_outside_0_to_1_is_rejected(share: float) -> None:
    with pytest.raises(ValueError, match="share of the frame's height"):
        BlurBackground(share)


def test_green_screen_is_green_in_every_color_space() -> None:
    for color in (ColorSpec(BT601), ColorSpec(BT709), ColorSpec(BT709, full_range=True)):
        frame = gray_frame(color=color)
        data = ColorBackground((0, 255, 0)).picture(frame, matte(np.zeros((48, 64), np.uint8)))
        green = Frame(data, 0, frame.time_base, color).rgb((4, 4))
        assert np.abs(green.astype(int) - [0, 255, 0]).max() <= 3


def test_green_screen_is_rounded_to_the_nearest_level() -> None:
    """16 + 219 * 0.587 is 144.55, 128 - 112 * 0.6625 is 53.80, 128 - 112 * 0.8374 is 34.21."""
    frame = gray_frame(color=ColorSpec(BT601))
    planes_of = planes(ColorBackground((0, 255, 0)).picture(frame, matte(np.zeros((48, 64), np.uint8))))
    assert [int(plane[0, 0]) for plane in planes_of] == [145, 54, 34]


def test_color_background_follows_format_change() -> None:
    solid = ColorBackground((200, 30, 90))
    nothing = matte(np.zeros((48, 64), np.uint8))
    small = solid.picture(gray_frame(), nothing).copy()
    assert solid.picture(gray_frame(size=(32, 32)), nothing).shape == (48, 32)
    full = solid.picture(gray_frame(color=ColorSpec(full_range=True)), nothing)
    assert (full != small).any()
    assert (solid.picture(gray_frame(), nothing) == small).all()


def test_picture_background_fills_frame_from_center() -> None:
    rgb = np.zeros((100, 400, 3), np.uint8)
    rgb[:, 150:250] = 255
    data = PictureBackground(rgb).picture(gray_frame(size=(64, 64)), matte(np.zeros((64, 64), np.uint8)))
    assert (planes(data)[0] == 235).all()


@pytest.mark.parametrize("shape", [(2000, 2), (1999, 2), (3, 3001)])
def test_long_strip_fills_frame_from_center_without_scaling_all_of_it(
    shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scaled as a whole, a strip one pixel wide and 600 high has 3 GB in 720p."""
    height, width = shape
    ramp = np.add.outer(np.arange(height) % 200, np.arange(width) % 200)
    rgb = np.repeat(np.clip(ramp, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
    frame = gray_frame(size=(64, 36))
    scale = max(64 / width, 36 / height)
    whole = cv2.resize(rgb, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_CUBIC)
    left, top = (whole.shape[1] - 64) // 2, (whole.shape[0] - 36) // 2
    expected = whole[top : top + 36, left : left + 64].astype(int)
    sizes, resize = list[int](), cv2.resize

    def record(picture: NDArray[np.uint8], size: tuple[int, int], interpolation: int) -> NDArray[np.uint8]:
        sizes.append(size[0] * size[1])
        return np.asarray(resize(picture, size, interpolation=interpolation), np.uint8)

    monkeypatch.setattr(cv2, "resize", record)
    shown = PictureBackground(rgb).rgb(frame)
    assert np.abs(shown - expected).max() <= 2
    assert max(sizes) < 64 * 64 * 36


def test_i420_round_trip_keeps_smooth_colors() -> None:
    ramp = np.linspace(0, 255, 64).astype(np.uint8)
    rgb = np.dstack(np.broadcast_arrays(ramp[None, :], ramp[:48, None], np.uint8(90))).astype(np.uint8)
    frame = Frame(
        rgb_to_i420(np.ascontiguousarray(rgb), ColorSpec(BT601, full_range=True)),
        0,
        gray_frame().time_base,
        ColorSpec(BT601, full_range=True),
    )
    assert np.abs(frame.rgb((64, 48)).astype(int) - rgb).max() <= 8


def test_read_picture_applies_exif_orientation(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    Image.new("RGB", (40, 20), (10, 20, 30)).save(tmp_path / "turned.png", exif=exif)
    assert read_picture(tmp_path / "turned.png").rgb.shape == (40, 20, 3)


def test_unreadable_picture_fails_with_clear_message(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"does not exist\. Use a picture or a color"):
        read_picture(tmp_path / "none.png")
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(ConfigError, match="not a readable picture"):
        read_picture(tmp_path / "text.png")
