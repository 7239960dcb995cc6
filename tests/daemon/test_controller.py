"""The effect of each command on the session, its answers, and that a refused command does nothing."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from livebg.daemon.settings_layers import settable_keys
from livebg.daemon.status import CommandResult
from livebg.errors import ConfigError, LivebgError, ModelError, SourceError
from tests.support.cli_runner import known, unset_variables
from tests.support.controller_harness import BROKEN, CONSENT, MISSING, ControllerHarness
from tests.support.live_session import FORMAT, PATIENCE, wait_for
from tests.support.media import Clip


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch) -> None:
    unset_variables(monkeypatch)


@pytest.fixture
def harness(tmp_path: Path) -> ControllerHarness:
    return ControllerHarness(tmp_path)


@contextmanager
def loading(harness: ControllerHarness, command: Callable[[], object]) -> Iterator[None]:
    """For the ``with`` block, ``command`` is loading a network in a thread; later loads take no time."""
    began, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        if not began.is_set():
            began.set()
            go_on.wait(2 * PATIENCE)

    harness.looks.before = slow
    thread = threading.Thread(target=command)
    thread.start()
    assert began.wait(PATIENCE)
    try:
        yield
    finally:
        go_on.set()
        thread.join(PATIENCE)


def require_answer(command: Callable[[], object], name: str) -> None:
    """Run ``command``, which must not wait for others."""
    thread = threading.Thread(target=command)
    thread.start()
    wait_for(lambda: not thread.is_alive(), f"the answer to {name}")


def test_off_and_on_switch_immediately(harness: ControllerHarness) -> None:
    off = harness.controller.off(CONSENT)
    assert (off.effect, off.mode, harness.controller.status().mode) == (False, "portrait", "none")
    on = harness.controller.on()
    assert (on.effect, on.mode, harness.controller.status().mode) == (True, "portrait", "portrait")
    assert harness.session.calls == ["room at once", "hidden at once"]


@pytest.mark.parametrize("command", ["pause", "pause_or_resume"])
def test_pause_survives_a_crash(tmp_path: Path, command: str, caplog: pytest.LogCaptureFixture) -> None:
    ControllerHarness(tmp_path).commands[command]({})
    again = ControllerHarness(tmp_path)
    assert again.session.calls == ["pause"]
    assert again.controller.status().state == "paused"
    assert "livebg resume" in caplog.text
    again.commands["resume" if command == "pause" else command]({})
    assert ControllerHarness(tmp_path).session.calls == []


def test_pause_does_not_need_its_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    harness = ControllerHarness(tmp_path)
    (tmp_path / "paused").symlink_to(tmp_path / "missing" / "file")
    assert harness.controller.pause().paused
    assert "After a crash livebg starts unpaused" in caplog.text
    assert not harness.controller.resume().paused


def test_status_states_cost_and_gain_of_delay(harness: ControllerHarness) -> None:
    assert harness.controller.status().delay is None
    harness.controller.set({"smoothing.delay_frames": 2})
    delay = harness.controller.status().delay
    assert delay is not None
    assert delay.frames == 2
    assert delay.ms == pytest.approx(float(2000 / FORMAT.frame_rate))
    assert delay.dtssd_percent < 0
    harness.controller.off(CONSENT)
    assert harness.controller.status().delay is None
    harness.controller.on()
    harness.controller.set({"smoothing.time_constant": 0})
    assert harness.controller.status().delay is None


def test_toggle_alternates(harness: ControllerHarness) -> None:
    assert [harness.controller.toggle(CONSENT).effect for _ in range(3)] == [False, True, False]
    assert harness.session.calls == ["room at once", "hidden at once", "room at once"]


def test_unchanged_settings_do_nothing(harness: ControllerHarness) -> None:
    harness.controller.on()
    harness.controller.set_mode("portrait")
    harness.controller.set({"effect.blur": "0.025"})
    assert harness.session.calls == []
    harness.controller.off(CONSENT)
    harness.controller.off(CONSENT)
    assert harness.session.calls == ["room at once"]


def test_off_is_never_saved(tmp_path: Path) -> None:
    harness = ControllerHarness(tmp_path)
    harness.controller.off(CONSENT)
    harness.controller.set({"effect.blur": 0.3})
    assert harness.kept == {"effect.blur": 0.3}
    again = ControllerHarness(tmp_path)
    assert (again.controller.status().mode, again.controller.settings.effect.blur) == ("portrait", 0.3)


def test_on_enables_effect_after_start_without_it(tmp_path: Path) -> None:
    harness = ControllerHarness(tmp_path, consent=CONSENT)
    assert harness.controller.status().mode == "none"
    assert harness.controller.on().effect is True
    assert harness.session.calls == ["hidden at once"]


def test_pause_and_resume_report_state(harness: ControllerHarness) -> None:
    assert harness.controller.pause().paused is True
    held = harness.controller.set_mode("matte")
    assert (held.paused, held.mode) == (True, "matte")
    assert harness.controller.resume().paused is False
    assert harness.session.calls == ["pause", "hidden", "resume"]


@pytest.mark.parametrize("mode", ["greenscreen", "matte", "background"])
def test_mode_switches_without_gap_and_is_saved(harness: ControllerHarness, mode: str) -> None:
    held = harness.controller.set_mode(mode)
    assert (held.mode, held.changed, held.note) == (mode, ("effect.mode",), None)
    assert harness.session.calls == ["hidden"]
    assert harness.looks.prepared[-1].effect.mode == mode
    assert harness.kept == {"effect.mode": mode}


@pytest.mark.parametrize(
    ("mode", "sentence"),
    [
        ("none", "Mode 'none' shows your room. Use `livebg off` to turn the effect off."),
        ("cutout", "Mode 'cutout' is only for files because a camera has no transparency. Use greenscreen or another mode."),
        ("portait", "Unknown mode 'portait'. Use one of portrait, greenscreen, background, matte."),
    ],
)
def test_invalid_mode_is_rejected_by_mode_and_set(harness: ControllerHarness, mode: str, sentence: str) -> None:
    for say in (harness.controller.set_mode, lambda mode: harness.controller.set({"effect.mode": mode})):
        with pytest.raises(ConfigError) as caught:
            say(mode)
        assert str(caught.value) == sentence
    assert (harness.session.calls, harness.kept) == ([], {})


@pytest.mark.parametrize("command", ["mode", "background"])
def test_mode_or_background_hides_room(harness: ControllerHarness, command: str) -> None:
    harness.controller.off(CONSENT)
    held = harness.controller.set_mode("portrait") if command == "mode" else harness.controller.set_background("#ff0000")
    assert held.effect is True
    assert harness.session.calls == ["room at once", "hidden at once"]


def test_set_alone_neither_shows_nor_hides_room(harness: ControllerHarness) -> None:
    harness.controller.off(CONSENT)
    held = harness.controller.set({"effect.mode": "matte"})
    assert (held.effect, held.mode, harness.controller.status().mode) == (False, "matte", "none")
    assert harness.session.calls == ["room at once"]
    harness.controller.on()
    assert harness.looks.prepared[-1].effect.mode == "matte"


def test_background_sets_its_mode(harness: ControllerHarness) -> None:
    held = harness.controller.set_background("/pictures/beach.jpg")
    assert (held.mode, held.background) == ("background", "/pictures/beach.jpg")
    assert held.changed == ("effect.mode", "effect.background")
    assert harness.kept == {"effect.mode": "background", "effect.background": "/pictures/beach.jpg"}


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({"effect.background": MISSING}, ConfigError),
        ({"model.name": BROKEN}, ModelError),
        ({"effect.blur": 2}, ConfigError),
        ({"effect.blur": 0.5, "effect.blurr": 1}, ConfigError),
        ({"effect.blur": 0.5, "camera.device": "missing.mp4"}, SourceError),
    ],
)
@pytest.mark.parametrize("shown", [False, True])
def test_failed_command_changes_nothing(
    harness: ControllerHarness, values: dict[str, Any], kind: type[LivebgError], shown: bool
) -> None:
    if shown:
        harness.controller.off(CONSENT)
    before, reported = harness.controller.settings, list(harness.session.calls)
    with pytest.raises(kind):
        harness.controller.set(values)
    assert (harness.controller.settings, harness.session.calls, harness.kept) == (before, reported, {})
    assert harness.controller.set({"effect.blur": 0.5}).changed == ("effect.blur",)


def test_failed_on_keeps_room_visible_and_fails(tmp_path: Path) -> None:
    harness = ControllerHarness(tmp_path, {"model.name": BROKEN}, CONSENT)
    with pytest.raises(ModelError):
        harness.controller.on()
    assert (harness.controller.status().mode, harness.session.calls) == ("none", [])


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
def test_values_are_parsed_like_in_file_without_quotes(harness: ControllerHarness, key: str, text: object, value: object) -> None:
    assert harness.controller.set({key: text}).changed == (key,)
    section, name = key.split(".")
    assert getattr(getattr(harness.controller.settings, section), name) == value


@pytest.mark.parametrize(
    ("values", "sentence"),
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
def test_invalid_setting_fails_with_clear_message(harness: ControllerHarness, values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        harness.controller.set(values)
    assert str(caught.value).startswith(sentence)
    assert len(str(caught.value)) < 300
    assert harness.session.calls == []


def test_every_settable_key_accepts_its_current_value(harness: ControllerHarness) -> None:
    for key in settable_keys():
        section, name = key.split(".")
        value = getattr(getattr(harness.controller.settings, section), name)
        assert harness.controller.set({key: value}).changed == ()


def test_new_camera_keeps_effect(harness: ControllerHarness, tmp_path: Path) -> None:
    clip = Clip(count=2).write(tmp_path / "clip.mp4")
    held = harness.controller.set({"camera.device": str(clip), "camera.rotate": 90})
    assert (held.camera, held.note) == (str(clip), None)
    assert harness.session.calls == ["camera"]
    assert harness.session.camera is not None
    with harness.session.camera.open() as source:
        geometry = harness.session.camera.geometry_for(source.format)
        turned = geometry.apply(next(iter(source)))
    assert (turned.width, turned.height) == (FORMAT.width, FORMAT.height)


def test_set_overrides_variable_and_option_in_this_run_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEBG_EFFECT__BLUR", "0.2")
    harness = ControllerHarness(tmp_path, {"effect.mode": "matte"})
    assert harness.controller.settings.effect.blur == 0.2
    harness.controller.set_mode("greenscreen")
    assert harness.controller.set({"effect.blur": 0.4}).blur == 0.4
    assert harness.controller.settings.effect.mode == "greenscreen"
    again = ControllerHarness(tmp_path, {"effect.mode": "matte"}).controller.settings.effect
    assert (again.mode, again.blur) == ("matte", 0.2)
    monkeypatch.delenv("LIVEBG_EFFECT__BLUR")
    later = ControllerHarness(tmp_path).controller.settings.effect
    assert (later.mode, later.blur) == ("greenscreen", 0.4)


def test_reload_applies_differences(harness: ControllerHarness) -> None:
    assert harness.controller.reload().changed == ()
    harness.config.write_text("[effect]\nblur = 0.3\n[camera]\nmirror = true\n[smoothing]\ntime_constant = 0.4\n")
    held = harness.controller.reload()
    assert held.changed == ("effect.blur", "camera.mirror")
    assert (held.blur, harness.session.calls) == (0.3, ["hidden", "camera"])
    harness.config.unlink()
    with pytest.raises(ConfigError, match="does not exist"):
        harness.controller.reload()
    harness.config.write_text("")
    assert harness.controller.reload().changed == ("effect.blur", "camera.mirror")


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
def test_invalid_file_keeps_old_settings(harness: ControllerHarness, text: str, sentence: str) -> None:
    harness.controller.set({"effect.blur": 0.1})
    before, reported = harness.controller.settings, list(harness.session.calls)
    harness.config.write_text(text)
    with pytest.raises(ConfigError) as caught:
        harness.controller.reload()
    assert sentence in str(caught.value)
    assert (harness.controller.settings, harness.session.calls, harness.kept) == (before, reported, {"effect.blur": 0.1})


def test_output_settings_apply_at_next_start(harness: ControllerHarness) -> None:
    harness.config.write_text('[output]\nsize = "640x480"\nlabel = "other"\n[render]\ncrf = 5\n[effect]\nblur = 0.2\n')
    held = harness.controller.reload()
    assert (held.changed, held.at_next_start) == (("effect.blur",), ("output.label", "output.size"))
    assert harness.controller.settings.output.size == "auto"
    held = harness.controller.set({"effect.blur": 0.3})
    assert (held.changed, harness.controller.settings.output.label) == (("effect.blur",), "livebg")


def test_latest_change_of_file_or_user_wins(tmp_path: Path) -> None:
    harness = ControllerHarness(tmp_path)
    harness.config.write_text("[effect]\nblur = 0.1\n")
    harness.controller.reload()
    harness.controller.set({"effect.blur": 0.2, "effect.screen": "#0000ff", "smoothing.time_constant": 0.5})
    harness.config.write_text("[effect]\nblur = 0.1\n[smoothing]\ntime_constant = 0.3\n[model]\nthreads = 2\n")
    held = harness.controller.reload()
    assert held.changed == ("model.threads", "smoothing.time_constant")  # the blur is unchanged: the user's command was later
    assert (held.blur, harness.controller.settings.smoothing.time_constant) == (0.2, 0.3)
    harness.config.write_text("[effect]\nblur = 0.7\n")
    assert harness.controller.reload().blur == 0.7
    assert harness.kept == {"effect.screen": "#0000ff"}
    harness.controller.set({"effect.blur": 0.9})
    assert ControllerHarness(tmp_path).controller.settings.effect.blur == 0.9
    harness.config.write_text("[effect]\nblur = 0.6\n")  # edited while no livebg ran
    assert ControllerHarness(tmp_path).controller.settings.effect.blur == 0.6


def test_unsaved_choice_applies_now_with_note(harness: ControllerHarness) -> None:
    known(harness.choices.path).parent.write_text("no folder")
    held = harness.controller.set_mode("matte")
    assert held.mode == "matte"
    assert held.note is not None
    assert held.note.startswith("The choice is not saved for the next start: cannot write ")


def test_hiding_does_not_wait_for_network_loading(harness: ControllerHarness) -> None:
    """A user who wants to be hidden is hidden, whatever else is in progress."""
    harness.controller.off(CONSENT)
    with loading(harness, lambda: harness.controller.set({"model.threads": 3})):
        harness.controller.on()
        harness.controller.pause()
        assert harness.session.calls == ["room at once", "hidden at once", "pause"]
    assert harness.session.calls == ["room at once", "hidden at once", "pause", "hidden"]
    assert harness.controller.settings.model.threads == 3


@pytest.mark.parametrize("command", ["on", "toggle", "mode", "pause_or_resume"])
def test_pause_does_not_wait_for_the_network_that_hides_the_room(tmp_path: Path, command: str) -> None:
    """After a start in mode none the network is loaded when the effect is turned on; the user may want to be hidden earlier."""
    harness = ControllerHarness(tmp_path, consent=CONSENT)
    controller = harness.controller
    commands: dict[str, Callable[[], object]] = {
        "on": controller.on,
        "toggle": lambda: controller.toggle(CONSENT),
        "mode": lambda: controller.set_mode("portrait"),
        "pause_or_resume": controller.pause_or_resume,
    }
    if command == "pause_or_resume":
        controller.pause()
    with loading(harness, commands[command]):
        require_answer(controller.pause, "the pause")
    assert harness.session.calls[-2:] == ["pause", "hidden at once"]
    assert (controller.result().effect, controller.result().paused) == (True, True)


def test_second_toggle_waits_for_the_first(tmp_path: Path) -> None:
    """Otherwise two quick presses of a key would end in the state of one."""
    harness = ControllerHarness(tmp_path, consent=CONSENT)
    second = threading.Thread(target=lambda: harness.controller.toggle(CONSENT))
    with loading(harness, lambda: harness.controller.toggle(CONSENT)):
        second.start()
        second.join(0.1)  # long enough for an answer that does not wait
    second.join(PATIENCE)
    assert harness.session.calls == ["hidden at once", "room at once"]


def test_on_applies_the_settings_changed_meanwhile(tmp_path: Path) -> None:
    harness = ControllerHarness(tmp_path, consent=CONSENT)
    with loading(harness, harness.controller.on):
        require_answer(lambda: harness.controller.set({"effect.blur": 0.5}), "the setting")
    assert harness.session.calls == ["hidden at once"]
    assert harness.looks.prepared[-1].effect.blur == 0.5


def test_concurrent_commands_are_atomic(harness: ControllerHarness) -> None:
    controller = harness.controller
    commands = [lambda: controller.set({"effect.blur": 0.3}), lambda: controller.set({"effect.screen": "#0000ff"})] * 8
    commands += [lambda: controller.toggle(CONSENT), controller.pause, controller.resume, controller.reload] * 4
    threads = [threading.Thread(target=command) for command in commands]
    for thread in threads:
        thread.start()
    wait_for(lambda: not any(thread.is_alive() for thread in threads), "the commands")
    assert (controller.settings.effect.blur, controller.settings.effect.screen) == (0.3, "#0000ff")
    assert controller.status().mode == "portrait"  # toggled an even number of times
    assert [entry for entry in harness.session.calls if "at once" in entry] == ["room at once", "hidden at once"] * 2


def test_command_result_round_trips(harness: ControllerHarness) -> None:
    held = harness.controller.set_background("#ff0000")
    assert CommandResult.from_dict({**asdict(held), "newer": 1}) == held
    with pytest.raises(LivebgError, match=r"^Incompatible livebg is running\. Restart it\.$"):
        CommandResult.from_dict({"effect": "perhaps"})
