"""The built-in backgrounds, and how the settings select them."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from livebg.compositing import builtin_backgrounds
from livebg.config.settings import BUILTIN_BACKGROUNDS, Effect, Settings
from livebg.errors import ConfigError
from livebg.factory import build_background
from livebg.imaging.frame import Matte, planes, rgb_to_i420
from tests.support.pipeline_fakes import grey_frame

SIZES = [(1280, 720), (640, 480), (360, 640), (2, 2), (642, 362)]
FACE = 170
"""Typical luma of a lit face."""


def settings(background: str) -> Settings:
    return Settings(effect=Effect(mode="background", background=background))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", BUILTIN_BACKGROUNDS)
def test_it_fills_any_size_the_same_each_time(name: str, size: tuple[int, int]) -> None:
    picture = builtin_backgrounds.paint(name, *size)
    assert picture.shape == (size[1], size[0], 3)
    assert picture.dtype == np.uint8
    assert (picture == builtin_backgrounds.paint(name, *size)).all()


def test_no_two_are_alike() -> None:
    painted = [builtin_backgrounds.paint(name, 64, 36).astype(int) for name in BUILTIN_BACKGROUNDS]
    assert len(painted) >= 5
    for number, one in enumerate(painted):
        assert all(np.abs(one - other).mean() > 10 for other in painted[:number])


@pytest.mark.parametrize("name", BUILTIN_BACKGROUNDS)
def test_whoever_is_before_it_is_brighter_and_sharper(name: str) -> None:
    luma = cv2.cvtColor(builtin_backgrounds.paint(name, 1280, 720), cv2.COLOR_RGB2GRAY)
    assert luma.mean() < FACE - 10
    assert np.percentile(luma, 99) < FACE + 10
    steps = np.abs(np.diff(cv2.GaussianBlur(luma, (0, 0), 2).astype(int), axis=1))  # without the noise
    assert np.percentile(steps, 99.9) <= 10  # edges of a person have 50 and more


@pytest.mark.parametrize("name", ["dawn", "dusk", "slate"])
def test_no_bands_show(name: str) -> None:
    """Without noise a slow gradient has large areas of one level; here neighbors differ everywhere."""
    picture = builtin_backgrounds.paint(name, 640, 360).astype(int)
    changes = (np.diff(picture, axis=1) != 0).mean((1, 2))
    assert changes.min() > 0.1
    assert np.abs(np.diff(picture, axis=1)).max() <= 3  # but the noise is invisible


@pytest.mark.parametrize("name", BUILTIN_BACKGROUNDS)
def test_the_settings_name_it_and_it_is_painted_at_the_frames_size(name: str) -> None:
    frame = grey_frame(size=(320, 180))
    nobody = Matte(np.zeros((180, 320), np.uint8), 0.0, 0.0)
    background = build_background(settings(name))
    shown = background.picture(frame, nobody)
    assert (shown == rgb_to_i420(builtin_backgrounds.paint(name, 320, 180), frame.color)).all()
    assert background.picture(frame, nobody) is shown


def test_a_file_of_that_name_takes_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (32, 18), (250, 0, 0)).save(tmp_path / "dawn", "PNG")
    frame = grey_frame(size=(32, 18))
    nobody = Matte(np.zeros((18, 32), np.uint8), 0.0, 0.0)
    by_path = planes(build_background(settings("./dawn")).picture(frame, nobody))
    by_name = planes(build_background(settings("dawn")).picture(frame, nobody))
    assert by_path[2].min() > 200  # red
    assert by_name[2].max() < 200


def test_a_picture_without_a_suffix_is_still_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (32, 18), (250, 0, 0)).save(tmp_path / "beach", "PNG")
    nobody = Matte(np.zeros((18, 32), np.uint8), 0.0, 0.0)
    assert planes(build_background(settings("beach")).picture(grey_frame(size=(32, 18)), nobody))[2].min() > 200


def test_a_mistyped_name_is_told_with_the_right_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"dusc is neither a file nor built in \(dawn, dusk, slate, paper, lights, leaves\)"):
        build_background(settings("dusc"))


def test_the_setting_tells_all_names() -> None:
    description = Effect.model_fields["background"].description or ""
    assert f"background: {', '.join(BUILTIN_BACKGROUNDS)}, a color" in description
