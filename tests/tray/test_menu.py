"""Tests of the tray's status and menu, without a display."""

from dataclasses import replace
from typing import Any

import pytest

from livebg import __version__
from livebg.config.choices import BUILTIN_BACKGROUNDS, LIVE_MODES
from livebg.daemon.protocol import VersionMismatch
from livebg.daemon.status import CameraStatus, EffectStatus, PresetEntry, PresetList, Status
from livebg.errors import LivebgError, NotRunningError
from livebg.tray.menu import MODES, SEPARATOR, DaemonCommand, Entry, LocalAction, MenuContext, menu
from livebg.tray.status import CameraChoice, TrayState, TrayStatus, summarize
from tests.support.fake_daemon import ASLEEP, LIVE

NOWHERE = MenuContext()
EFFECT = EffectStatus("portrait", "dusk", 0.025, "#00ff00")


def entries(seen: TrayStatus, around: MenuContext = NOWHERE) -> dict[str, Entry]:
    """Return the top-level menu items by label, which must be unique."""
    shown = menu(seen, around)
    labels = [entry.label for entry in shown if entry != SEPARATOR]
    assert len(labels) == len(set(labels))
    return {entry.label: entry for entry in shown}


def checked_labels(entry: Entry) -> list[str]:
    return [each.label for each in entry.entries if each.checked]


def default_action(seen: TrayStatus) -> Any:
    """Return the action of a click on the icon, of which there is at most one."""
    found = [entry.action for entry in menu(seen, NOWHERE) if entry.default]
    assert len(found) <= 1
    return found[0] if found else None


@pytest.mark.parametrize(
    ("status", "state", "sentence"),
    [
        (LIVE, TrayState.LIVE, "Live: background blurred"),
        (replace(LIVE, mode="background"), TrayState.LIVE, "Live: background replaced"),
        (replace(LIVE, mode="none"), TrayState.EFFECT_OFF, "Effect off: your room is visible"),
        (
            replace(ASLEEP, mode="none"),
            TrayState.EFFECT_OFF,
            "Effect off: your room will be visible when an app uses the camera",
        ),
        (
            replace(LIVE, mode="none", state="camera lost"),
            TrayState.EFFECT_OFF,
            "Effect off: your room will be visible when the picture is back (camera lost)",
        ),
        (replace(LIVE, mode="none", state="paused"), TrayState.PAUSED, "Paused"),
        (ASLEEP, TrayState.ASLEEP, "Asleep: no app is using the camera"),
        (replace(LIVE, state="waking"), TrayState.WAKING, "Waking: the camera is starting"),
        (replace(LIVE, state="camera lost", reason="it is gone"), TrayState.ERROR, "Camera lost: it is gone"),
        (replace(LIVE, state="stalled", reason="it hangs"), TrayState.ERROR, "Stalled: it hangs"),
        (replace(LIVE, state="stopping"), TrayState.NOT_RUNNING, "livebg is stopping"),
    ],
)
def test_every_state_has_icon_and_text(status: Status, state: TrayState, sentence: str) -> None:
    assert summarize(status) == TrayStatus(state, sentence, status)


def test_missing_status_is_summarized() -> None:
    gone = NotRunningError("livebg is not running. Start it with `livebg run`.")
    assert summarize(gone) == TrayStatus(TrayState.NOT_RUNNING, "livebg is not running")
    assert summarize(gone, lock_held=True) == TrayStatus(TrayState.WAKING, "livebg is starting or stopping")
    assert summarize(LivebgError("it is deaf: try again")) == TrayStatus(TrayState.ERROR, "it is deaf: try again")


@pytest.mark.parametrize(("found", "old"), [(3, True), (1, False), (None, False)])
def test_version_mismatch_says_what_to_restart(found: int | None, old: bool) -> None:
    seen = summarize(VersionMismatch("...", "...", found), lock_held=True)
    assert seen == TrayStatus(TrayState.RESTART_NEEDED, "livebg was updated. Restart it.", None, old)
    assert entries(seen)["Restart livebg"].action is (LocalAction.RESTART_TRAY if old else LocalAction.RESTART)
    assert entries(seen)["livebg was updated. Restart it."].enabled is False


def test_other_release_offers_restart() -> None:
    assert entries(summarize(replace(LIVE, version="0.0.1")))["Restart livebg to finish the update"].action is LocalAction.RESTART
    assert "Restart livebg to finish the update" not in entries(summarize(replace(LIVE, version=__version__)))


def test_click_toggles_room_and_never_surprises() -> None:
    assert default_action(summarize(LIVE)) == DaemonCommand("off")
    assert default_action(summarize(replace(LIVE, mode="none"))) == DaemonCommand("on")
    assert default_action(summarize(NotRunningError("..."))) is LocalAction.START
    assert default_action(summarize(LivebgError("..."))) is None


def test_menu_shows_current_settings() -> None:
    shown = entries(summarize(replace(LIVE, effect=EFFECT)))
    assert shown["Hide the room"].checked is True
    assert checked_labels(shown["Mode"]) == ["Blur"]
    assert checked_labels(shown["Background"]) == ["Dusk"]
    assert checked_labels(shown["Blur"]) == ["Soft"]
    assert shown["Pause camera"] == Entry("Pause camera", DaemonCommand("pause"), checked=False)


def test_menu_shows_saved_mode_while_effect_is_off() -> None:
    shown = entries(summarize(replace(LIVE, mode="none", effect=replace(EFFECT, mode="matte"))))
    assert shown["Hide the room"] == Entry("Hide the room", DaemonCommand("on"), checked=False, default=True)
    assert checked_labels(shown["Mode"]) == ["Matte only"]


def test_menu_shows_and_stops_recording() -> None:
    assert LIVE.recording is not None
    silent = entries(summarize(replace(LIVE, recording=replace(LIVE.recording, audio=None))))
    heard = entries(summarize(LIVE))
    assert silent["● Recording talk.mkv"].enabled is False
    assert heard["● Recording talk.mkv with the microphone"].enabled is False
    assert heard["Stop recording"] == Entry("Stop recording", DaemonCommand("stop_recording"))
    assert entries(summarize(ASLEEP))["Stop recording"].enabled is False


def test_menu_offers_every_mode_and_background() -> None:
    assert tuple(MODES) == LIVE_MODES
    shown = entries(summarize(LIVE))
    assert [entry.action for entry in shown["Mode"].entries] == [DaemonCommand("mode", {"mode": mode}) for mode in LIVE_MODES]
    received = [entry.action for entry in shown["Background"].entries[: len(BUILTIN_BACKGROUNDS)]]
    assert received == [DaemonCommand("background", {"background": name}) for name in BUILTIN_BACKGROUNDS]
    assert shown["Background"].entries[-1].action is LocalAction.CHOOSE_BACKGROUND


@pytest.mark.parametrize(("background", "label"), [("/home/me/my beach.jpg", "my beach.jpg"), ("#204060", "#204060")])
def test_custom_background_is_listed(background: str, label: str) -> None:
    shown = entries(summarize(replace(LIVE, effect=replace(EFFECT, background=background))))
    assert checked_labels(shown["Background"]) == [label]


def test_custom_blur_is_listed() -> None:
    shown = entries(summarize(replace(LIVE, effect=replace(EFFECT, blur=0.03))))
    assert checked_labels(shown["Blur"]) == ["0.03 of the frame height"]
    assert shown["Blur"].entries[1].action == DaemonCommand("set", {"settings": {"effect.blur": 0.025}})


def test_presets_are_listed_and_current_one_is_checked() -> None:
    presets = PresetList((PresetEntry("dark room", True), PresetEntry("My_desk", False, "It is damaged.")), "dark room")
    preset = entries(summarize(LIVE), MenuContext(presets=presets))["Preset"]
    assert [entry.label for entry in preset.entries] == ["Dark room", "My_desk"]
    assert checked_labels(preset) == ["Dark room"]
    assert preset.entries[1].action == DaemonCommand("use_preset", {"name": "My_desk"})
    assert preset.enabled
    assert not entries(summarize(LIVE))["Preset"].enabled  # an older livebg has no presets


def test_shortcuts_are_set_up_after_a_click() -> None:
    assert entries(summarize(LIVE))["Set up shortcuts..."].action is LocalAction.SHORTCUTS


@pytest.mark.parametrize(
    ("asked", "label"),
    [("auto", "Default camera"), ("HD Webcam", "HD Webcam"), ("/dev/video2", "C920 (/dev/video2)"), ("talk.mp4", "talk.mp4")],
)
def test_requested_camera_is_checked(asked: str, label: str) -> None:
    cameras = (CameraChoice("HD Webcam", "HD Webcam"), CameraChoice("C920 (/dev/video2)", "/dev/video2"))
    reported = replace(LIVE, camera=CameraStatus(asked, None, None, 0, None))
    camera = entries(summarize(reported), MenuContext(cameras))["Camera"]
    assert checked_labels(camera) == [label]
    assert camera.entries[1].action == DaemonCommand("set", {"settings": {"camera.device": "HD Webcam"}})


def test_older_status_without_effect_is_shown() -> None:
    shown = entries(summarize(replace(LIVE, effect=None)))
    assert checked_labels(shown["Mode"]) == ["Blur"]
    assert checked_labels(shown["Background"]) == []


def test_unavailable_items_stay_in_place_disabled() -> None:
    running, gone = entries(summarize(LIVE)), entries(summarize(NotRunningError("...")))
    steering = [
        "Hide the room",
        "Mode",
        "Background",
        "Blur",
        "Preset",
        "Pause camera",
        "Camera",
        "Stop recording",
        "Preview",
        "Set up shortcuts...",
    ]
    assert [label for label in gone if label in running and label != ""] == [
        "Open livebg",
        *steering,
        "Show this icon at login",
        "Open log",
        "Run diagnostics",
        "Quit tray icon",
        "Stop livebg and quit",
    ]
    assert not any(gone[label].enabled for label in [*steering, "Stop livebg and quit"])
    assert gone["Start livebg"].action is LocalAction.START


def test_error_is_wrapped_in_menu() -> None:
    trouble = "the background /home/me/beach.jpg does not exist: name a picture or a colour such as #204060"
    lines = [
        entry
        for entry in menu(summarize(replace(LIVE, recording=None)), MenuContext(error=trouble))
        if entry.action is None and not entry.entries
    ]
    received = [entry.label for entry in lines if entry != SEPARATOR]
    assert " ".join(received[1:]) == f"✗ {trouble}"
    assert max(map(len, received)) <= 52
    assert not any(entry.enabled for entry in lines if entry != SEPARATOR)


def test_start_is_disabled_while_starting() -> None:
    shown = entries(summarize(NotRunningError("...")), MenuContext(busy_text="Starting livebg..."))
    assert shown["Starting livebg..."].enabled is False
    assert shown["Start livebg"].enabled is False


@pytest.mark.parametrize("at_login", [True, False])
def test_login_item_shows_state(at_login: bool) -> None:
    shown = entries(summarize(LIVE), MenuContext(at_login=at_login))
    assert shown["Show this icon at login"] == Entry("Show this icon at login", LocalAction.LOGIN, checked=at_login)


@pytest.mark.parametrize("seen", [summarize(LIVE), summarize(NotRunningError("livebg is not running"))])
def test_first_item_opens_the_window(seen: TrayStatus) -> None:
    first = menu(seen, NOWHERE)[0]
    assert (first.label, first.action, first.enabled) == ("Open livebg", LocalAction.WINDOW, True)
