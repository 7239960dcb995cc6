"""Which control each setting gets, derived from the settings classes."""

import pytest

from livebg.config.choices import BUILTIN_BACKGROUNDS, LIVE_MODES
from livebg.config.settings import setting_keys
from livebg.daemon.settings_layers import settable_keys
from livebg.window.labels import BACKGROUNDS, CHOICES, TITLES
from livebg.window.rows import Control, Row, format_value, frame_rates, groups


def rows() -> dict[str, Row]:
    return {row.key: row for group in groups(settable_keys()) for row in group.rows}


def test_every_live_setting_of_effect_and_camera_has_a_row() -> None:
    expected = {key for key in settable_keys() if key.partition(".")[0] in ("effect", "camera", "governor")}
    assert expected <= rows().keys()
    assert "smoothing.temporal" not in rows(), "it applies to files only"


def test_rows_are_only_of_settable_keys() -> None:
    (group,) = groups(["effect.blur", "output.label"])
    assert [row.key for row in group.rows] == ["effect.blur"]
    assert groups([]) == ()


@pytest.mark.parametrize(
    ("key", "control"),
    [
        ("effect.mode", Control.BUTTONS),
        ("effect.background", Control.BACKGROUND),
        ("effect.background_fit", Control.CHOICE),
        ("effect.blur", Control.SLIDER),
        ("effect.screen", Control.COLOR),
        ("camera.device", Control.CAMERA),
        ("camera.mirror", Control.SWITCH),
        ("camera.rotate", Control.CHOICE),
        ("governor.on_battery", Control.CHOICE),
    ],
)
def test_control_follows_type(key: str, control: Control) -> None:
    assert rows()[key].control is control


def test_slider_has_the_range_of_the_setting() -> None:
    framing = rows()["effect.framing"]
    assert (framing.minimum, framing.maximum) == (1, 3)
    assert framing.range_for(2.0) == (1, 3)


def test_slider_with_a_useful_maximum_shows_larger_values() -> None:
    blur = rows()["effect.blur"]
    assert blur.maximum < 1
    assert blur.range_for(0.8) == (0, 0.8)


def test_mode_buttons_are_the_live_modes() -> None:
    assert tuple(choice.value for choice in rows()["effect.mode"].choices) == LIVE_MODES


def test_blur_applies_to_portrait_only() -> None:
    assert rows()["effect.blur"].modes == ("portrait",)
    assert set(rows()["camera.mirror"].modes) == set(LIVE_MODES)


def test_rows_have_distinct_titles_and_descriptions() -> None:
    titles = [row.title for group in groups(settable_keys()) for row in group.rows if group.name == "effect"]
    assert len(titles) == len(set(titles))
    assert all(row.title and row.description for row in rows().values())


def test_labels_of_choices_name_all_values() -> None:
    for key in CHOICES.keys() & set(setting_keys()):
        assert [choice.value for choice in rows()[key].choices] == list(CHOICES[key])
    assert set(BACKGROUNDS) == set(BUILTIN_BACKGROUNDS)
    assert all(TITLES.values())


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("effect.blur", 0.025, "2.5 %"),
        ("effect.light_wrap", 1.0, "100 %"),
        ("effect.framing", 1.0, "Off"),
        ("effect.framing", 1.5, "1.5×"),
        ("smoothing.time_constant", 0.4, "0.4 s"),
    ],
)
def test_format_value(key: str, value: float, text: str) -> None:
    assert format_value(rows()[key], value) == text


def test_format_value_of_signed_share_has_a_sign() -> None:
    edge = Row("effect.edge", "", "", Control.SLIDER, -1, 1, 0.02)
    assert [format_value(edge, value) for value in (0.25, 0, -0.1)] == ["+25 %", "0 %", "-10 %"]
    assert format_value(Row("x.frames", "", "", Control.SLIDER, 0, 3, 1), 2) == "2"


def test_frame_rates_include_the_current_one() -> None:
    assert frame_rates([30.0, 15.0], 25.0) == (30.0, 25.0, 15.0)
    assert frame_rates([], 30.0) == (30.0,)
