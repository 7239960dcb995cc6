"""What each command does to the session, what it answers, and that one that is refused does nothing."""

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from livebg.daemon.command_result import CommandResult
from livebg.daemon.settings_layers import settable_keys
from livebg.errors import ConfigError, LivebgError, ModelError, SourceError
from tests.support.cli_runner import known
from tests.support.controller_harness import BROKEN, CONSENT, MISSING, Desk
from tests.support.live_session import FORMAT, PATIENCE, wait_for
from tests.support.media import Clip


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith("LIVEBG_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_off_shows_the_room_and_on_hides_it_both_at_once(desk: Desk) -> None:
    off = desk.steering.off(CONSENT)
    assert (off.effect, off.mode, desk.steering.mode) == (False, "portrait", "none")
    on = desk.steering.on()
    assert (on.effect, on.mode, desk.steering.mode) == (True, "portrait", "portrait")
    assert desk.session.told == ["room at once", "hidden at once"]


def test_toggle_goes_to_and_fro(desk: Desk) -> None:
    assert [desk.steering.toggle(CONSENT).effect for _ in range(3)] == [False, True, False]
    assert desk.session.told == ["room at once", "hidden at once", "room at once"]


def test_what_holds_already_is_not_done_again(desk: Desk) -> None:
    desk.steering.on()
    desk.steering.set_mode("portrait")
    desk.steering.set({"effect.blur": "0.025"})
    assert desk.session.told == []
    desk.steering.off(CONSENT)
    desk.steering.off(CONSENT)
    assert desk.session.told == ["room at once"]


def test_off_is_never_kept(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.steering.off(CONSENT)
    desk.steering.set({"effect.blur": 0.3})
    assert desk.kept == {"effect.blur": 0.3}
    again = Desk(tmp_path)
    assert (again.steering.mode, again.steering.settings.effect.blur) == ("portrait", 0.3)


def test_begun_without_the_effect_on_goes_to_it(tmp_path: Path) -> None:
    desk = Desk(tmp_path, consent=CONSENT)
    assert desk.steering.mode == "none"
    assert desk.steering.on().effect is True
    assert desk.session.told == ["hidden at once"]


def test_pause_and_resume_say_what_holds(desk: Desk) -> None:
    assert desk.steering.pause().paused is True
    held = desk.steering.set_mode("matte")
    assert (held.paused, held.mode) == (True, "matte")
    assert desk.steering.resume().paused is False
    assert desk.session.told == ["pause", "hidden", "resume"]


@pytest.mark.parametrize("mode", ["greenscreen", "matte", "background"])
def test_a_mode_takes_over_without_a_gap_and_is_kept(desk: Desk, mode: str) -> None:
    held = desk.steering.set_mode(mode)
    assert (held.mode, held.changed, held.note) == (mode, ("effect.mode",), None)
    assert desk.session.told == ["hidden"]
    assert desk.looks.prepared[-1].effect.mode == mode
    assert desk.kept == {"effect.mode": mode}


@pytest.mark.parametrize(
    ("mode", "sentence"),
    [
        ("none", "Mode 'none' shows your room. Use `livebg off` to turn the effect off."),
        ("cutout", "Mode 'cutout' is only for files because a camera has no transparency. Use greenscreen or another mode."),
        ("portait", "Unknown mode 'portait'. Use one of portrait, greenscreen, background, matte."),
    ],
)
def test_a_mode_that_no_camera_shows_is_refused_however_it_is_said(desk: Desk, mode: str, sentence: str) -> None:
    for say in (desk.steering.set_mode, lambda mode: desk.steering.set({"effect.mode": mode})):
        with pytest.raises(ConfigError) as caught:
            say(mode)
        assert str(caught.value) == sentence
    assert (desk.session.told, desk.kept) == ([], {})


@pytest.mark.parametrize("command", ["mode", "background"])
def test_to_say_what_becomes_of_the_room_hides_it(desk: Desk, command: str) -> None:
    desk.steering.off(CONSENT)
    held = desk.steering.set_mode("portrait") if command == "mode" else desk.steering.set_background("#ff0000")
    assert held.effect is True
    assert desk.session.told == ["room at once", "hidden at once"]


def test_a_setting_alone_neither_shows_nor_hides_the_room(desk: Desk) -> None:
    desk.steering.off(CONSENT)
    held = desk.steering.set({"effect.mode": "matte"})
    assert (held.effect, held.mode, desk.steering.mode) == (False, "matte", "none")
    assert desk.session.told == ["room at once"]
    desk.steering.on()
    assert desk.looks.prepared[-1].effect.mode == "matte"


def test_a_background_brings_its_mode(desk: Desk) -> None:
    held = desk.steering.set_background("/pictures/beach.jpg")
    assert (held.mode, held.background) == ("background", "/pictures/beach.jpg")
    assert held.changed == ("effect.mode", "effect.background")
    assert desk.kept == {"effect.mode": "background", "effect.background": "/pictures/beach.jpg"}


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ({"effect.background": MISSING}, ConfigError),
        ({"model.name": BROKEN}, ModelError),
        ({"effect.blur": 2}, ConfigError),
        ({"effect.blur": 0.5, "effect.blurr": 1}, ConfigError),
        ({"effect.blur": 0.5, "camera.device": "missing.mp4"}, SourceError),
    ],
)
@pytest.mark.parametrize("shown", [False, True])
def test_what_fails_fails_before_anything_has_changed(
    desk: Desk, said: dict[str, Any], kind: type[LivebgError], shown: bool
) -> None:
    if shown:
        desk.steering.off(CONSENT)
    before, told = desk.steering.settings, list(desk.session.told)
    with pytest.raises(kind):
        desk.steering.set(said)
    assert (desk.steering.settings, desk.session.told, desk.kept) == (before, told, {})
    assert desk.steering.set({"effect.blur": 0.5}).changed == ("effect.blur",)


def test_a_room_that_cannot_be_hidden_stays_and_that_is_told(tmp_path: Path) -> None:
    desk = Desk(tmp_path, {"model.name": BROKEN}, CONSENT)
    with pytest.raises(ModelError):
        desk.steering.on()
    assert (desk.steering.mode, desk.session.told) == ("none", [])


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("effect.blur", "0.1", 0.1),
        ("effect.blur", 0.1, 0.1),
        ("effect.screen", "#123456", "#123456"),
        ("effect.screen", '"#123456"', "#123456"),
        ("effect.background", "2024-05-01", "2024-05-01"),
        ("effect.background", "1\nx = 2", "1\nx = 2"),
        ("smoothing.time_constant", "1", 1.0),
        ("model.threads", "4", 4),
        ("model.folders", f"/a{os.pathsep}/b", (Path("/a"), Path("/b"))),
        ("model.folders", '["/a", "/b"]', (Path("/a"), Path("/b"))),
        ("camera.device", "0", "0"),
        ("camera.mirror", "true", True),
        ("camera.rotate", "270", 270),
        ("camera.size", "640x480", "640x480"),
    ],
)
def test_values_are_read_as_the_file_has_them_and_need_no_quotes(desk: Desk, key: str, text: object, value: object) -> None:
    assert desk.steering.set({key: text}).changed == (key,)
    section, name = key.split(".")
    assert getattr(getattr(desk.steering.settings, section), name) == value


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"effect.blurr": "1"}, "Unknown key effect.blurr. Did you mean effect.blur?"),
        ({"blur": "1"}, "Unknown key blur. Did you mean effect.blur?"),
        ({"zebra": "1"}, "Unknown key zebra. config.example.toml lists all settings."),
        ({"effect.blur": "wide"}, "Invalid value 'wide' for effect.blur. It should be a valid number"),
        (
            {"effect.blur": "[" * 5000},
            f"Invalid value {repr('[' * 5000)[:77]}... for effect.blur. It should be a valid number",
        ),
        ({"effect.blur": "9" * 5000}, f"Invalid value {repr('9' * 5000)[:77]}... for effect.blur. "),
        ({"effect.blur": None}, "Invalid value None for effect.blur. It should be a valid number"),
        ({"camera.rotate": "45"}, "Invalid value '45' for camera.rotate. It should be 0, 90, 180 or 270"),
        ({"camera.mirror": []}, "Invalid value [] for camera.mirror. It should be a valid boolean"),
        (
            {"output.size": "640x480"},
            "output.size cannot change while livebg runs, because readers of a camera cannot follow the change. ",
        ),
        ({"output.zebra": "640x480"}, "Unknown key output.zebra. "),
        (
            {"render.crf": "3"},
            "render.crf cannot change while livebg runs, because it only applies to files. Pass it to `livebg render`",
        ),
    ],
    ids=range(12),
)
def test_what_cannot_be_set_is_told_in_a_sentence(desk: Desk, said: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        desk.steering.set(said)
    assert str(caught.value).startswith(sentence)
    assert len(str(caught.value)) < 300
    assert desk.session.told == []


def test_every_settable_key_takes_its_own_value(desk: Desk) -> None:
    for key in settable_keys():
        section, name = key.split(".")
        value = getattr(getattr(desk.steering.settings, section), name)
        assert desk.steering.set({key: value}).changed == ()


def test_another_camera_leaves_the_look_alone(desk: Desk, tmp_path: Path) -> None:
    clip = Clip(count=2).write(tmp_path / "clip.mp4")
    held = desk.steering.set({"camera.device": str(clip), "camera.rotate": 90})
    assert (held.camera, held.note) == (str(clip), None)
    assert desk.session.told == ["camera"]
    assert desk.session.camera is not None
    with desk.session.camera.open() as source:
        geometry = desk.session.camera.geometry_for(source.format)
        turned = geometry.apply(next(iter(source)))
    assert (turned.width, turned.height) == (FORMAT.width, FORMAT.height)


def test_a_word_overrules_variable_and_option_in_this_run_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEBG_EFFECT__BLUR", "0.2")
    desk = Desk(tmp_path, {"effect.mode": "matte"})
    assert desk.steering.settings.effect.blur == 0.2
    desk.steering.set_mode("greenscreen")
    assert desk.steering.set({"effect.blur": 0.4}).blur == 0.4
    assert desk.steering.settings.effect.mode == "greenscreen"
    again = Desk(tmp_path, {"effect.mode": "matte"}).steering.settings.effect
    assert (again.mode, again.blur) == ("matte", 0.2)
    monkeypatch.delenv("LIVEBG_EFFECT__BLUR")
    later = Desk(tmp_path).steering.settings.effect
    assert (later.mode, later.blur) == ("greenscreen", 0.4)


def test_reload_applies_what_differs(desk: Desk) -> None:
    assert desk.steering.reload().changed == ()
    desk.config.write_text("[effect]\nblur = 0.3\n[camera]\nmirror = true\n[smoothing]\ntime_constant = 0.4\n")
    held = desk.steering.reload()
    assert held.changed == ("effect.blur", "camera.mirror")
    assert (held.blur, desk.session.told) == (0.3, ["hidden", "camera"])
    desk.config.unlink()
    with pytest.raises(ConfigError, match="does not exist"):
        desk.steering.reload()
    desk.config.write_text("")
    assert desk.steering.reload().changed == ("effect.blur", "camera.mirror")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[effect\n", "is not valid TOML"),
        ("[effect]\nblur = 3\n", "Invalid value 3 for effect.blur (from "),
        ("[effect]\nblurr = 0.1\n", "Unknown key effect.blurr in "),
        ("[effect]\nblurr = 0.1\n", ". Did you mean effect.blur?"),
        ('[effect]\nmode = "none"\n', "Invalid value 'none' for effect.mode (from "),
        ('[effect]\nmode = "cutout"\n', "Mode 'cutout' is only for files"),
        (f'[effect]\nblur = 0.3\nmode = "background"\nbackground = "{MISSING}"\n', "does not exist"),
    ],
)
def test_a_bad_file_is_refused_and_the_old_settings_stay(desk: Desk, text: str, sentence: str) -> None:
    desk.steering.set({"effect.blur": 0.1})
    before, told = desk.steering.settings, list(desk.session.told)
    desk.config.write_text(text)
    with pytest.raises(ConfigError) as caught:
        desk.steering.reload()
    assert sentence in str(caught.value)
    assert (desk.steering.settings, desk.session.told, desk.kept) == (before, told, {"effect.blur": 0.1})


def test_the_outputs_settings_wait_for_the_next_start_and_render_is_none_of_it(desk: Desk) -> None:
    desk.config.write_text('[output]\nsize = "640x480"\nlabel = "other"\n[render]\ncrf = 5\n[effect]\nblur = 0.2\n')
    held = desk.steering.reload()
    assert (held.changed, held.at_next_start) == (("effect.blur",), ("output.label", "output.size"))
    assert desk.steering.settings.output.size == "auto"
    held = desk.steering.set({"effect.blur": 0.3})
    assert (held.changed, desk.steering.settings.output.label) == (("effect.blur",), "livebg")


def test_the_latest_word_counts_the_files_or_the_users(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.config.write_text("[effect]\nblur = 0.1\n")
    desk.steering.reload()
    desk.steering.set({"effect.blur": 0.2, "effect.screen": "#0000ff", "smoothing.time_constant": 0.5})
    desk.config.write_text("[effect]\nblur = 0.1\n[smoothing]\ntime_constant = 0.3\n[model]\nthreads = 2\n")
    held = desk.steering.reload()
    assert held.changed == ("model.threads", "smoothing.time_constant")  # nothing new of the blur: the user's word was later
    assert (held.blur, desk.steering.settings.smoothing.time_constant) == (0.2, 0.3)
    desk.config.write_text("[effect]\nblur = 0.7\n")
    assert desk.steering.reload().blur == 0.7
    assert desk.kept == {"effect.screen": "#0000ff"}
    desk.steering.set({"effect.blur": 0.9})
    assert Desk(tmp_path).steering.settings.effect.blur == 0.9
    desk.config.write_text("[effect]\nblur = 0.6\n")  # edited while no livebg ran
    assert Desk(tmp_path).steering.settings.effect.blur == 0.6


def test_what_cannot_be_kept_holds_for_this_run_and_says_so(desk: Desk) -> None:
    known(desk.choices.path).parent.write_text("no folder")
    held = desk.steering.set_mode("matte")
    assert held.mode == "matte"
    assert held.note is not None
    assert held.note.startswith("The choice is not saved for the next start: cannot write ")


def test_hiding_does_not_wait_for_a_network_that_is_being_loaded(desk: Desk) -> None:
    """Whoever wants to be out of sight is, whatever else is under way."""
    loading, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        if not loading.is_set():
            loading.set()
            go_on.wait(PATIENCE)

    desk.steering.off(CONSENT)
    desk.looks.before = slow
    setting = threading.Thread(target=lambda: desk.steering.set({"model.threads": 3}))
    setting.start()
    assert loading.wait(PATIENCE)
    desk.steering.on()
    desk.steering.pause()
    assert desk.session.told == ["room at once", "hidden at once", "pause"]
    go_on.set()
    setting.join(PATIENCE)
    assert desk.session.told == ["room at once", "hidden at once", "pause", "hidden"]
    assert desk.steering.settings.model.threads == 3


def test_commands_from_many_threads_are_each_done_whole(desk: Desk) -> None:
    steering = desk.steering
    commands = [lambda: steering.set({"effect.blur": 0.3}), lambda: steering.set({"effect.screen": "#0000ff"})] * 8
    commands += [lambda: steering.toggle(CONSENT), steering.pause, steering.resume, steering.reload] * 4
    threads = [threading.Thread(target=command) for command in commands]
    for thread in threads:
        thread.start()
    wait_for(lambda: not any(thread.is_alive() for thread in threads), "the commands")
    assert (steering.settings.effect.blur, steering.settings.effect.screen) == (0.3, "#0000ff")
    assert steering.mode == "portrait"  # toggled an even number of times
    assert [told for told in desk.session.told if "at once" in told] == ["room at once", "hidden at once"] * 2


def test_what_holds_goes_over_the_wire_and_back(desk: Desk) -> None:
    held = desk.steering.set_background("#ff0000")
    assert CommandResult.from_dict({**held.as_dict(), "newer": 1}) == held
    with pytest.raises(LivebgError, match=r"^Incompatible livebg is running\. Restart it\.$"):
        CommandResult.from_dict({"effect": "perhaps"})
