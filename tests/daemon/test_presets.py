"""Tests of the presets: names, files, built-in ones, and how the controller applies them."""

from pathlib import Path
from typing import Any

import pytest

from livebg.config.choices import LIVE_MODES
from livebg.config.settings import Settings, setting_keys
from livebg.daemon.presets import BUILTIN_PRESETS, Presets
from livebg.daemon.status import PresetEntry, PresetList
from livebg.errors import ConfigError, LivebgError, ModelError
from tests.support.controller_harness import BROKEN, CONSENT, MISSING, ControllerHarness


@pytest.fixture
def harness(tmp_path: Path) -> ControllerHarness:
    return ControllerHarness(tmp_path)


@pytest.fixture
def presets(tmp_path: Path) -> Presets:
    return Presets(tmp_path / "presets")


def write_preset(presets: Presets, name: str, content: str | bytes) -> Path:
    assert presets.folder is not None
    presets.folder.mkdir(exist_ok=True)
    path = presets.folder / f"{name}.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def names(overview: PresetList) -> list[str]:
    return [entry.name for entry in overview.presets]


def test_default_folder_is_in_configuration_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert Presets().folder == tmp_path / "livebg" / "presets"


@pytest.mark.parametrize("name", BUILTIN_PRESETS)
def test_builtin_preset_is_valid_and_sets_the_keys_of_the_others(harness: ControllerHarness, name: str) -> None:
    values = harness.presets.read(name)
    assert values.keys() == harness.presets.read("office").keys() <= set(setting_keys())
    assert values["effect.mode"] in LIVE_MODES
    harness.switcher.use(name)
    assert harness.switcher.overview().current == name


def test_builtin_presets_differ() -> None:
    assert len({tuple(values.items()) for values in BUILTIN_PRESETS.values()}) == len(BUILTIN_PRESETS) == 3


@pytest.mark.parametrize("name", ["a", "Z" * 40, "My desk-2_b", "-x", "0"])
def test_valid_name_is_saved_as_file(presets: Presets, name: str) -> None:
    presets.save(name, Settings())
    assert names(presets.overview()) == [*BUILTIN_PRESETS, name]
    presets.delete(name)
    assert names(presets.overview()) == [*BUILTIN_PRESETS]


@pytest.mark.parametrize(
    "name", ["", " ", " a", "a ", "a" * 41, "..", "../a", "a/b", "a.b", "a\n", "\na", "a\0b", "ä", "a\tb", "😀", "a\\b", "~"]
)
def test_invalid_name_is_rejected_everywhere(presets: Presets, tmp_path: Path, name: str) -> None:
    for run in (presets.read, presets.delete, lambda each: presets.save(each, Settings())):
        with pytest.raises(
            ConfigError, match=r"^Invalid preset name .* Use 1 to 40 of the characters A-Z, a-z, 0-9, space, _ and -"
        ):
            run(name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [*BUILTIN_PRESETS, "Office", "DARK ROOM"])
def test_builtin_preset_cannot_be_changed(presets: Presets, name: str) -> None:
    write_preset(presets, name, "[effect]\nblur = 0.9\n")
    for run in (presets.delete, lambda each: presets.save(each, Settings())):
        with pytest.raises(ConfigError, match=r"is built in and cannot be changed. Choose another name."):
            run(name)
    assert presets.read(name.lower())["effect.blur"] != 0.9
    assert presets.read(name) == presets.read(name.lower())
    assert names(presets.overview()) == [*BUILTIN_PRESETS]


def test_saved_preset_restores_the_look(harness: ControllerHarness) -> None:
    look = {
        "effect.mode": "background",
        "effect.background": '/pictures/a "b" \\ ü.jpg',
        "effect.light_wrap": 0.5,
        "effect.framing": 1.5,
        "smoothing.time_constant": 0.7,
    }
    harness.controller.set({**look, "camera.mirror": True, "model.threads": 2})
    assert harness.switcher.overview().current is None
    harness.switcher.save("Desk")
    assert harness.switcher.overview().current == "Desk"
    values = harness.presets.read("Desk")
    assert values.items() >= look.items()
    assert {key.partition(".")[0] for key in values} == {"effect", "smoothing"}
    harness.controller.set({"camera.mirror": False})
    harness.switcher.use("office")
    harness.controller.set({"smoothing.time_constant": 0.1})
    result = harness.switcher.use("Desk")
    assert set(look) - set(result.changed) == {"effect.background"}  # which office leaves unchanged
    settings = harness.controller.settings
    assert (settings.effect.background, settings.effect.framing, settings.camera.mirror) == (
        look["effect.background"],
        1.5,
        False,
    )


def test_preset_is_remembered_for_next_start(harness: ControllerHarness, tmp_path: Path) -> None:
    harness.controller.set({"effect.light_wrap": 0.5, "effect.framing": 2.0, "smoothing.time_constant": 0.7, "model.threads": 2})
    harness.switcher.save("Desk")
    again = ControllerHarness(tmp_path)
    assert again.switcher.overview().current == "Desk"
    assert again.controller.settings.model.threads == 1


def test_preset_leaves_other_settings_unchanged(harness: ControllerHarness) -> None:
    write_preset(harness.presets, "calm", "[effect]\nblur = 0.3\n[governor]\nenabled = false\n")
    harness.controller.set({"effect.light_wrap": 0.5})
    assert harness.switcher.use("calm").changed == ("effect.blur", "governor.enabled")
    assert harness.controller.settings.effect.light_wrap == 0.5


def test_preset_turns_effect_on_and_keeps_pause(harness: ControllerHarness) -> None:
    harness.controller.off(CONSENT)
    assert harness.switcher.use("office").effect
    harness.controller.pause()
    assert harness.switcher.use("presentation").paused
    assert harness.session.calls == ["room at once", "hidden at once", "pause", "hidden"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[effect]\nblur = 0.3\nmode = 'none'\n", "is invalid: Mode 'none' shows your room."),
        ("[effect]\nblur = 0.3\nmode = 'cutout'\n", "is invalid: Mode 'cutout' is only for files"),
        ("[effect]\nblur = 0.3\n[output]\nlabel = 'x'\n", "is invalid: output.label cannot change while livebg runs"),
        ("[effect]\nblur = 0.3\n[render]\ncrf = 3\n", "is invalid: render.crf cannot change while livebg runs"),
        ("[effect]\nblurr = 0.3\n", "is invalid: Unknown key effect.blurr. Did you mean effect.blur?"),
        ("blur = 0.3\n", "is invalid: Unknown key blur. Did you mean effect.blur?"),
        ("consent = true\n[effect]\nblur = 0.3\n", "is invalid: Unknown key consent."),
        (
            "[effect]\nblur = 7\nlight_wrap = 0.5\n",
            "is invalid: Invalid value 7 for effect.blur. It should be less than or equal",
        ),
        ("[effect]\nblur = {a = 1}\n", "is invalid: Invalid value {'a': 1} for effect.blur."),
        ("[[effect]]\nblur = 0.3\n", "is invalid: Unknown key effect."),
        ("[effect]\nbackground = 'a\\u0000b'\n".replace("'", '"'), "is invalid: The value of effect.background contains"),
        ("[effect]\nbackground = ''\n", "is invalid: Invalid value '' for effect.background."),
        ("[effect\n", "is not valid TOML"),
        ("[effect]\nblur = " + "[" * 5000, "is not valid TOML"),
        ("[model]\nthreads = " + "9" * 5000, "is not valid TOML"),
        (b"\xff\xfe[\0e\0", "is encoded as UTF-16."),
        (b"[effect]\nbackground = '\xff'\n", "is not valid TOML"),
        (b"\0\0\0\0", "is not valid TOML"),
        ("", "contains no settings."),
        ("[effect]\n", "contains no settings."),
    ],
    ids=range(20),
)
def test_damaged_preset_is_refused_whole(harness: ControllerHarness, content: str | bytes, reason: str) -> None:
    path = write_preset(harness.presets, "broken", content)
    before = harness.controller.settings
    with pytest.raises(ConfigError) as caught:
        harness.switcher.use("broken")
    text = str(caught.value)
    assert text.startswith(f"The preset {path} {reason}")
    assert len(text.splitlines()) == 1
    assert text.endswith((".", "?"))
    assert (harness.controller.settings, harness.session.calls, harness.kept) == (before, [], {})
    assert harness.switcher.overview().presets[-1] == PresetEntry("broken", builtin=False, error=text)
    harness.switcher.delete("broken")
    assert names(harness.switcher.overview()) == [*BUILTIN_PRESETS]


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (f"[effect]\nblur = 0.3\nmode = 'background'\nbackground = '/{MISSING}'\n", ConfigError),
        (f"[effect]\nblur = 0.3\n[model]\nname = '/{BROKEN}'\n", ModelError),
    ],
)
def test_preset_that_cannot_be_prepared_changes_nothing(
    harness: ControllerHarness, content: str, error: type[LivebgError]
) -> None:
    write_preset(harness.presets, "gone", content)
    harness.controller.off(CONSENT)
    before = harness.controller.settings
    with pytest.raises(error):
        harness.switcher.use("gone")
    assert (harness.controller.settings, harness.session.calls, harness.kept) == (before, ["room at once"], {})


def test_missing_preset_names_the_list(harness: ControllerHarness) -> None:
    for run in (harness.switcher.use, harness.switcher.delete):
        with pytest.raises(ConfigError, match=r"desk.toml does not exist. `livebg preset list` lists the presets.$"):
            run("desk")


def test_unwritable_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"^Cannot write the preset .*/desk.toml \(File exists\)."):
        Presets(tmp_path / "file").save("desk", Settings())
    assert names(Presets(tmp_path / "file").overview()) == [*BUILTIN_PRESETS]


def test_path_that_is_not_utf8_is_not_saved(harness: ControllerHarness) -> None:
    harness.controller.set({"effect.background": "/pictures/\udcff.jpg"})
    with pytest.raises(ConfigError, match=r"^Cannot save the preset desk: a path in it is not UTF-8."):
        harness.switcher.save("desk")
    assert names(harness.switcher.overview()) == [*BUILTIN_PRESETS]


def test_without_home_only_builtin_presets_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("HOME", "/nonexistent")
    presets = Presets()
    assert names(presets.overview()) == [*BUILTIN_PRESETS]
    with pytest.raises(ConfigError, match=r"^Presets need a home directory"):
        presets.save("desk", Settings())


def test_other_files_are_not_listed(presets: Presets) -> None:
    for name in ("zebra", "Ant", "a.b", " x", "ä"):
        write_preset(presets, name, "[effect]\nblur = 0.3\n")
    assert presets.folder is not None
    (presets.folder / "notes.txt").touch()
    (presets.folder / "folder.toml").mkdir()
    found = presets.overview()
    assert names(found) == [*BUILTIN_PRESETS, "Ant", "folder", "zebra"]
    assert [entry.error for entry in found.presets if entry.error] == [
        f"The preset {presets.folder / 'folder.toml'} is not a file. `livebg preset list` lists the presets."
    ]


def test_next_preset_cycles_and_skips_damaged_ones(harness: ControllerHarness) -> None:
    for name in ("one", "two"):  # equal to each other
        write_preset(harness.presets, name, "[effect]\nblur = 0.3\n")
    write_preset(harness.presets, "damaged", "[effect")
    write_preset(harness.presets, "gone", f"[effect]\nmode = 'background'\nbackground = '/{MISSING}'\n")
    seen = []
    for _ in range(7):
        harness.switcher.use_next()
        seen.append(harness.switcher.overview().current)
    assert seen == ["dark room", "presentation", "one", "two", "office", "dark room", "presentation"]
    harness.controller.set({"effect.blur": 0.77})  # matches none: the cycle continues after the last one
    assert harness.switcher.overview().current is None
    harness.switcher.use_next()
    assert harness.switcher.overview().current == "one"


def test_next_preset_never_shows_the_room(harness: ControllerHarness) -> None:
    harness.controller.off(CONSENT)
    assert harness.switcher.use_next().effect
    assert harness.session.calls == ["room at once", "hidden at once"]


def test_pause_or_resume_never_shows_the_room(harness: ControllerHarness) -> None:
    harness.controller.off(CONSENT)
    assert [harness.controller.pause_or_resume().paused for _ in range(3)] == [True, False, True]
    assert harness.session.calls == ["room at once", "pause", "hidden at once", "resume", "pause"]


def test_pause_stays_if_effect_cannot_be_turned_on(harness: ControllerHarness) -> None:
    harness.controller.off(CONSENT)
    harness.controller.pause()

    def fail() -> None:
        raise ModelError("The network is damaged.", "Pull it again.")

    harness.looks.before = fail
    with pytest.raises(ModelError):
        harness.controller.pause_or_resume()
    assert harness.controller.status().state == "paused"


def test_control_commands_of_presets(harness: ControllerHarness) -> None:
    run = harness.commands
    listed: Any = run["presets"]({})
    assert [set(entry) for entry in listed["presets"]] == [{"name", "builtin", "error"}] * 3
    assert listed["current"] == "office"
    assert run["use_preset"]({"name": "presentation"})["changed"] == (
        "effect.blur",
        "effect.dim",
        "effect.desaturate",
        "effect.framing",
    )
    assert run["save_preset"]({"name": "mine"})["effect"]
    assert run["presets"]({})["current"] == "mine"
    assert run["delete_preset"]({"name": "mine"})["effect"]
    assert run["presets"]({})["current"] == "presentation"
    assert run["next_preset"]({})["effect"]
    assert run["pause_or_resume"]({})["paused"]
    for command in ("use_preset", "save_preset", "delete_preset"):
        for arguments in ({}, {"name": 7}, {"name": "a", "mode": "none"}, {"preset": "a"}, {"name": "../a"}):
            with pytest.raises(ConfigError):
                run[command](arguments)
