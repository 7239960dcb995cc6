"""Dimmed and desaturated backgrounds."""

from pathlib import Path

import numpy as np
import pytest

from livebg.compositing.backgrounds import BlurBackground, ColorBackground, PictureBackground
from livebg.compositing.room_tone import UNCHANGED, RoomTone
from livebg.compositing.video_background import VideoBackground
from livebg.imaging.frame import BT601, BT709, ColorSpec, Matte, i420_to_rgb, planes, rgb_to_i420
from livebg.interfaces import Background
from livebg.synthetic import procedural_room
from tests.support.media import Clip
from tests.support.pipeline_fakes import noise_frame

SIZE = (320, 180)
TONES = [RoomTone(dim=0.4), RoomTone(desaturate=0.7), RoomTone(0.3, 0.5), RoomTone(0.0, 1.0), RoomTone(1.0)]


def backgrounds(tone: RoomTone, clip: Path) -> list[Background]:
    room = procedural_room(2, SIZE)
    return [
        BlurBackground(0.02, tone=tone),
        BlurBackground(0.02, lens="disc", coarse=True, tone=tone),
        ColorBackground((30, 160, 220), tone=tone),
        PictureBackground(room, tone=tone),
        VideoBackground(clip, tone=tone),
    ]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Clip(3, *SIZE).write(tmp_path_factory.mktemp("clip") / "clip.mp4")


@pytest.mark.parametrize("tone", TONES)
def test_every_background_takes_the_tone(tone: RoomTone, clip: Path) -> None:
    frame = noise_frame(1, SIZE, ColorSpec(BT709))
    matte = Matte(np.zeros(SIZE[::-1], np.uint8), 0.0, 0.0)
    for plain, toned in zip(backgrounds(UNCHANGED, clip), backgrounds(tone, clip), strict=True):
        expected = tone.i420(plain.picture(frame, matte), frame.color).astype(int)
        assert np.abs(toned.picture(frame, matte) - expected).max() <= 3, type(plain).__name__


@pytest.mark.parametrize("full_range", [False, True])
def test_rgb_and_i420_agree(full_range: bool) -> None:
    color = ColorSpec(BT601, full_range=full_range)
    rgb = procedural_room(1, SIZE)
    for tone in TONES:
        by_planes = i420_to_rgb(tone.i420(rgb_to_i420(rgb, color), color), color, SIZE)
        smooth = i420_to_rgb(rgb_to_i420(tone.rgb(rgb, color), color), color, SIZE)
        assert np.abs(by_planes.astype(int) - smooth).max() <= 4


def test_extremes_are_black_and_gray() -> None:
    frame = noise_frame(1)
    for plane, level in zip(planes(RoomTone(dim=1.0).i420(frame.data, frame.color)), (16, 128, 128), strict=True):
        assert (plane == level).all()
    gray = planes(RoomTone(desaturate=1.0).i420(frame.data, frame.color))
    assert (gray[0] == frame.y).all()
    assert (np.stack(gray[1:]) == 128).all()


def test_zero_changes_nothing() -> None:
    frame = noise_frame(1)
    assert UNCHANGED.i420(frame.data, frame.color) is frame.data
    rgb = procedural_room(1, SIZE)
    assert UNCHANGED.rgb(rgb, frame.color) is rgb


@pytest.mark.parametrize(("dim", "desaturate"), [(-0.1, 0.0), (1.1, 0.0), (0.0, -0.1), (0.0, 1.1)])
def test_invalid_tone_is_rejected(dim: float, desaturate: float) -> None:
    with pytest.raises(ValueError, match="0 to 1"):
        RoomTone(dim, desaturate)


@pytest.mark.parametrize("blur", [0.005, 0.025, 0.1])
def test_margin_keeps_the_rim_of_a_shrunk_matte_out_of_the_blur(blur: float) -> None:
    frame = noise_frame(1, (640, 360))
    data = frame.data.copy()
    data[:] = 128
    data[:360] = 100
    data[:360, 200:440] = 235  # the person
    alpha = np.zeros((360, 640), np.uint8)
    alpha[:, 203:437] = 255  # shrunk by almost a hundredth of the height
    person = type(frame)(data, 0, frame.time_base)
    shown = planes(BlurBackground(blur, margin=0.01).picture(person, Matte(alpha, 0.0, 0.0)))[0]
    assert np.abs(shown[alpha == 0].astype(int) - 100).max() <= 1
