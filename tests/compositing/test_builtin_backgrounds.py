"""The built-in backgrounds, and how the settings select them."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from livebg.compositing import builtin_backgrounds
from livebg.config.choices import BUILTIN_BACKGROUNDS
from livebg.config.settings import Effect, Settings
from livebg.errors import ConfigError
from livebg.factory import build_background
from livebg.imaging.frame import Matte, planes, rgb_to_i420
from tests.support.pipeline_fakes import gray_frame

SIZES = [(1280, 720), (640, 480), (360, 640), (2, 2), (642, 362)]
FACE = 170
"""Typical luma of a lit face."""


def settings(background: str) -> Settings:
    return Settings(effect=Effect(mode="background", background=background))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", BUILTIN_BACKGROUNDS)
def test_background_fills_any_size_deterministically(name: str, size: tuple[int, int]) -> None:
    picture = builtin_backgrounds.paint(name, *size)
    assert picture.shape == (size[1], size[0], 3)
    assert picture.dtype == np.uint8
    assert (picture == builtin_backgrounds.paint(name, *size)).all()


def test_backgrounds_differ() -> None:
    painted = [builtin_backgrounds.paint(name, 64, 36).astype(int) for name in BUILTIN_BACKGROUNDS]
    assert len(painted) >= 5
    for number, one in enumerate(painted):
        assert all(np.abs(one - other).mean() > 10 for other in painted[:number])


@pytest.mark.parametrize("name", BUILTIN_BACKGROUNDS)
def test_background_is_darker_and_softer_than_person(name: str) -> None:
    luma = cv2.cvtColor(builtin_backgrounds.paint(name, 1280, 720), cv2.COLOR_RGB2GRAY)
    assert luma.mean() < FACE - 10
    assert np.percentile(luma, 99) < FACE + 10
    steps = np.abs(np.diff(cv2.GaussianBlur(luma, (0, 0), 2).astype(int), axis=1))  # without the noise
    assert np.percentile(steps, 99.9) <= 10  # edges of a person have 50 and more


@pytest.mark.parametrize("name", ["dawn", "dusk", "slate"])
def test_gradients_show_no_bands(name: str) -> None:
    """Without noise a slow gradient has large areas of one level; here neighbors differ everywhere."""
    picture = builtin_backgrounds.paint(name, 640, 360).astype(int)
    changes = (np.diff(picture, axis=1) != 0).mean((1, 2))
    assert changes.min() > 0.1
    assert np.abs(np.diff(picture, axis=1)).max() <= 3  # but the noise is invisible


@pytest.mark.parametrize("name", BUILTIN_BACKGROUNDS)
def test_settings_select_background_at_frame_size(name: str) -> None:
    frame = gray_frame(size=(320, 180))
    nobody = Matte(np.zeros((180, 320), np.uint8), 0.0, 0.0)
    background = build_background(settings(name))
    shown = background.picture(frame, nobody)
    assert (shown == rgb_to_i420(builtin_backgrounds.paint(name, 320, 180), frame.color)).all()
    assert background.picture(frame, nobody) is shown


def test_path_selects_file_with_builtin_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (32, 18), (250, 0, 0)).save(tmp_path / "dawn", "PNG")
    frame = gray_frame(size=(32, 18))
    nobody = Matte(np.zeros((18, 32), np.uint8), 0.0, 0.0)
    by_path = planes(build_background(settings("./dawn")).picture(frame, nobody))
    by_name = planes(build_background(settings("dawn")).picture(frame, nobody))
    assert by_path[2].min() > 200  # red
    assert by_name[2].max() < 200


def test_picture_without_suffix_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (32, 18), (250, 0, 0)).save(tmp_path / "beach", "PNG")
    nobody = Matte(np.zeros((18, 32), np.uint8), 0.0, 0.0)
    assert planes(build_background(settings("beach")).picture(gray_frame(size=(32, 18)), nobody))[2].min() > 200


def test_mistyped_name_lists_builtin_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"dusc is neither a file nor built in \(dawn, dusk, slate, paper, lights, leaves\)"):
        build_background(settings("dusc"))


def test_setting_description_lists_all_names() -> None:
    description = Effect.model_fields["background"].description or ""
    assert f"background: {', '.join(BUILTIN_BACKGROUNDS)}, a color" in description
