"""Global shortcuts with a stand-in portal on a bus of its own."""

import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from livebg.daemon.commands import shortcut_commands
from livebg.daemon.shortcut_portal import SUGGESTED, Shortcut
from livebg.daemon.shortcuts import GlobalShortcuts, GrantedShortcuts
from livebg.errors import ConfigError, LivebgError, ModelError
from livebg.system.session_bus import APP_ID, BusError
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="D-Bus is Linux's"),
    pytest.mark.skipif(shutil.which("dbus-daemon") is None, reason="dbus-daemon is not installed"),
]
if sys.platform == "linux":
    from tests.support.shortcut_portal import Desktop, ShortcutPortal
    from tests.support.tray_desktop import session_bus

PATIENCE = 20.0
BOTH = ("pause_or_resume", "next_preset")


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr("livebg.daemon.shortcuts._RETRY_DELAY_S", 0.05)
    with session_bus({}) as address:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        yield address


@pytest.fixture
def granted(tmp_path: Path) -> GrantedShortcuts:
    return GrantedShortcuts(tmp_path / "state" / "shortcuts.json")


class Actions(dict[str, Callable[[], object]]):
    """Actions that record when they run."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        super().__init__({action: partial(self.ran.append, action) for action in SUGGESTED})


def actions_of(shortcuts: tuple[Shortcut, ...]) -> tuple[str, ...]:
    return tuple(shortcut.action for shortcut in shortcuts)


@pytest.fixture(params=[(True, 0), (False, 0), (False, 2)], ids=["like KDE", "like GNOME", "like GNOME 48"])
def desktop(request: pytest.FixtureRequest) -> "Desktop":
    lists_stored, code = request.param
    return Desktop(lists_stored=lists_stored, code=code)


def test_no_suggested_action_shows_the_room() -> None:
    assert set(SUGGESTED) == {"pause_or_resume", "next_preset"}


def test_user_sets_up_shortcuts_and_presses_them(bus: str, granted: GrantedShortcuts, desktop: "Desktop") -> None:
    actions = Actions()
    with ShortcutPortal(bus, desktop) as portal, GlobalShortcuts(actions, granted) as shortcuts:
        assert portal.calls == []
        assert shortcuts.bound() == ()
        found = shortcuts.set_up()
        assert actions_of(found) == BOTH
        assert {shortcut.trigger for shortcut in found} == {"Press <Super>F9"}
        assert shortcuts.bound() == found
        assert [*portal.apps.values()] == [APP_ID]
        assert (desktop.dialogs, desktop.suggested) == ([BOTH], {"pause_or_resume": "LOGO+F9", "next_preset": "LOGO+F10"})
        for action in ("next_preset", "pause_or_resume", "unknown", "pause_or_resume"):
            portal.press(action)
        wait_until(lambda: len(actions.ran) == 3)
        assert actions.ran == ["next_preset", "pause_or_resume", "pause_or_resume"]
    assert granted.read() == BOTH
    assert shortcuts.bound() == ()


def test_keys_that_are_held_run_action_once_per_press(bus: str, granted: GrantedShortcuts, desktop: "Desktop") -> None:
    actions = Actions()
    with ShortcutPortal(bus, desktop) as portal, GlobalShortcuts(actions, granted) as shortcuts:
        shortcuts.set_up()
        for _ in range(2):
            for _ in range(5):
                portal.hold("pause_or_resume")
            portal.release("pause_or_resume")
        portal.press("next_preset")
        wait_until(lambda: "next_preset" in actions.ran)
    assert actions.ran == ["pause_or_resume", "pause_or_resume", "next_preset"]


def test_pause_does_not_wait_for_a_preset_that_is_loading(bus: str, granted: GrantedShortcuts) -> None:
    actions, loading, loaded = Actions(), threading.Event(), threading.Event()

    def load() -> None:
        loading.set()
        assert loaded.wait(PATIENCE)
        actions.ran.append("next_preset")

    actions["next_preset"] = load
    with ShortcutPortal(bus, Desktop()) as portal, GlobalShortcuts(actions, granted) as shortcuts:
        shortcuts.set_up()
        portal.press("next_preset")
        assert loading.wait(PATIENCE)
        portal.press("pause_or_resume")
        wait_until(lambda: actions.ran == ["pause_or_resume"], timeout=PATIENCE / 2)
        portal.press("next_preset")
        loaded.set()
        wait_until(lambda: actions.ran == ["pause_or_resume", "next_preset", "next_preset"])


def test_release_that_is_not_reported_ends_hold_after_a_while(
    bus: str, granted: GrantedShortcuts, desktop: "Desktop", monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in GNOME if the user releases Super before the other key."""
    monkeypatch.setattr("livebg.daemon.shortcuts._MAX_REPEAT_INTERVAL_S", 0.0)
    actions = Actions()
    with ShortcutPortal(bus, desktop) as portal, GlobalShortcuts(actions, granted) as shortcuts:
        shortcuts.set_up()
        portal.hold("pause_or_resume")
        portal.hold("pause_or_resume")
        wait_until(lambda: len(actions.ran) == 2)


def test_granted_shortcuts_are_bound_without_dialog_at_next_start(
    bus: str, granted: GrantedShortcuts, desktop: "Desktop"
) -> None:
    actions = Actions()
    with ShortcutPortal(bus, desktop) as portal:
        with GlobalShortcuts(actions, granted) as shortcuts:
            shortcuts.set_up()
        with GlobalShortcuts(actions, granted) as shortcuts:
            wait_until(lambda: actions_of(shortcuts.bound()) == BOTH)
            portal.press("next_preset")
            wait_until(lambda: actions.ran == ["next_preset"])
    assert len(desktop.dialogs) == 1


def test_only_granted_shortcuts_are_bound_again(bus: str, granted: GrantedShortcuts, desktop: "Desktop") -> None:
    desktop.answer = ("next_preset",)
    with ShortcutPortal(bus, desktop):
        with GlobalShortcuts(Actions(), granted) as shortcuts:
            assert actions_of(shortcuts.set_up()) == ("next_preset",)
        with GlobalShortcuts(Actions(), granted) as shortcuts:
            wait_until(lambda: actions_of(shortcuts.bound()) == ("next_preset",))
    assert len(desktop.dialogs) == 1


@pytest.mark.parametrize("answer", [None, ()])
def test_start_shows_no_dialog_without_grant(
    bus: str, granted: GrantedShortcuts, desktop: "Desktop", answer: tuple[str, ...] | None
) -> None:
    desktop.answer = answer
    with ShortcutPortal(bus, desktop) as portal:
        with GlobalShortcuts(Actions(), granted) as shortcuts:
            assert shortcuts.set_up() == ()
        calls = len(portal.calls)
        for content in (
            None,
            "[]",
            '{"granted": ["off", "toggle"]}',
            "[[",
            '{"granted": {"next_preset": 1}}',
            '{"granted": 7}',
            "7",
        ):
            if content is not None:
                assert granted.path is not None
                granted.path.parent.mkdir(exist_ok=True)
                granted.path.write_text(content)
            with GlobalShortcuts(Actions(), granted):
                assert not [thread for thread in threading.enumerate() if thread.name == "livebg shortcuts"]
        assert len(portal.calls) == calls
    assert len(desktop.dialogs) == 1


def test_canceled_dialog_keeps_earlier_shortcuts(bus: str, granted: GrantedShortcuts, desktop: "Desktop") -> None:
    actions = Actions()
    desktop.answer = ("next_preset",)
    with ShortcutPortal(bus, desktop) as portal, GlobalShortcuts(actions, granted) as shortcuts:
        shortcuts.set_up()
        desktop.answer = None
        assert shortcuts.set_up() == ()
        assert desktop.dialogs == [BOTH, ("pause_or_resume",)]
        wait_until(lambda: actions_of(shortcuts.bound()) == ("next_preset",))
        portal.press("next_preset")
        wait_until(lambda: actions.ran == ["next_preset"])
    assert granted.read() == ("next_preset",)
    assert len(desktop.dialogs) == 2


def test_dialog_of_silent_start_is_closed_and_not_repeated(
    bus: str, granted: GrantedShortcuts, desktop: "Desktop", monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user has removed the shortcuts in the desktop's settings, which livebg cannot know."""
    monkeypatch.setattr("livebg.daemon.shortcuts.SILENT_TIMEOUT_S", 0.3)
    granted.write(BOTH)
    desktop.is_open = True
    with ShortcutPortal(bus, desktop), GlobalShortcuts(Actions(), granted) as shortcuts:
        wait_until(lambda: len(desktop.closed) == 1)
        wait_until(lambda: not [thread for thread in threading.enumerate() if thread.name == "livebg shortcuts"])
        assert len(desktop.dialogs) == 1
        desktop.is_open = False
        assert actions_of(shortcuts.set_up()) == BOTH


def test_start_shows_no_dialog_after_user_removed_shortcuts_in_settings(bus: str, granted: GrantedShortcuts) -> None:
    """On desktops that list them, which the first start after the dialog shows."""
    desktop = Desktop(lists_stored=True)
    with ShortcutPortal(bus, desktop) as portal:
        with GlobalShortcuts(Actions(), granted) as shortcuts:
            shortcuts.set_up()
        with GlobalShortcuts(Actions(), granted) as shortcuts:
            wait_until(lambda: actions_of(shortcuts.bound()) == BOTH)
        desktop.stored[APP_ID] = ["next_preset"]
        with GlobalShortcuts(Actions(), granted) as shortcuts:
            wait_until(lambda: actions_of(shortcuts.bound()) == ("next_preset",))
        desktop.stored[APP_ID] = []
        with GlobalShortcuts(Actions(), granted):
            wait_until(lambda: granted.read() == ())
        assert len(desktop.dialogs) == 1
        with GlobalShortcuts(Actions(), granted) as shortcuts:
            assert actions_of(shortcuts.set_up()) == BOTH
        assert len(portal.sessions) == 5


def test_keys_removed_while_running_cause_no_dialog(bus: str, granted: GrantedShortcuts, desktop: "Desktop") -> None:
    with ShortcutPortal(bus, desktop) as portal, GlobalShortcuts(Actions(), granted) as shortcuts:
        shortcuts.set_up()
        desktop.stored[APP_ID] = []
        portal.change()
        wait_until(lambda: shortcuts.bound() == ())
        portal.change("next_preset", keys="Meta+N")
        wait_until(lambda: [shortcut.trigger for shortcut in shortcuts.bound()] == ["Meta+N"])
        assert len(portal.sessions) == len(desktop.dialogs) == 1


def test_silent_start_that_user_declines_forgets_grant(bus: str, granted: GrantedShortcuts, desktop: "Desktop") -> None:
    granted.write(BOTH)
    desktop.answer = None
    with ShortcutPortal(bus, desktop), GlobalShortcuts(Actions(), granted):
        wait_until(lambda: granted.read() == ())
    assert len(desktop.dialogs) == 1


def test_portal_that_starts_later_is_awaited(bus: str, granted: GrantedShortcuts, desktop: "Desktop") -> None:
    desktop.stored[APP_ID] = [*BOTH]
    granted.write(BOTH)
    with GlobalShortcuts(Actions(), granted) as shortcuts:
        time.sleep(0.3)
        assert shortcuts.bound() == ()
        with ShortcutPortal(bus, desktop):
            wait_until(lambda: actions_of(shortcuts.bound()) == BOTH)
    assert desktop.dialogs == []


def test_shortcuts_are_bound_again_after_session_or_portal_ends(bus: str, granted: GrantedShortcuts, desktop: "Desktop") -> None:
    actions = Actions()
    with GlobalShortcuts(actions, granted) as shortcuts:
        with ShortcutPortal(bus, desktop) as portal:
            shortcuts.set_up()
            portal.close_session()
            wait_until(lambda: portal.bound == BOTH)
            portal.press("next_preset")
            wait_until(lambda: actions.ran == ["next_preset"])
        wait_until(lambda: shortcuts.bound() == ())
        with ShortcutPortal(bus, desktop) as portal:
            wait_until(lambda: portal.bound == BOTH)
            portal.press("pause_or_resume")
            wait_until(lambda: actions.ran == ["next_preset", "pause_or_resume"])
    assert len(desktop.dialogs) == 1


def test_shortcuts_are_bound_after_unexpected_replies(bus: str, granted: GrantedShortcuts) -> None:
    desktop, actions = Desktop(stored={APP_ID: [*BOTH]}, is_broken=True), Actions()
    granted.write(BOTH)
    with ShortcutPortal(bus, desktop) as portal, GlobalShortcuts(actions, granted) as shortcuts:
        wait_until(lambda: portal.calls.count("CreateSession") > 1)
        with pytest.raises(BusError, match="unexpected reply"):
            shortcuts.set_up()
        desktop.is_broken = False
        wait_until(lambda: actions_of(shortcuts.bound()) == BOTH)
        portal.press("pause_or_resume")
        wait_until(lambda: actions.ran == ["pause_or_resume"])


def test_changed_keys_are_listed(bus: str, granted: GrantedShortcuts, desktop: "Desktop") -> None:
    with ShortcutPortal(bus, desktop) as portal, GlobalShortcuts(Actions(), granted) as shortcuts:
        run = shortcut_commands(shortcuts)
        listed: Any = run["set_up_shortcuts"]({})
        assert [set(each) for each in listed["shortcuts"]] == [{"action", "description", "trigger"}] * 2
        portal.change("next_preset", keys="Press <Ctrl>N")
        expected = Shortcut("next_preset", SUGGESTED["next_preset"][0], "Press <Ctrl>N")
        wait_until(lambda: shortcuts.bound() == (expected,))
        listed = run["shortcuts"]({})
        assert listed == {
            "shortcuts": [{"action": expected.action, "description": expected.description, "trigger": expected.trigger}]
        }


def test_keys_of_other_sessions_do_nothing(bus: str, granted: GrantedShortcuts, desktop: "Desktop") -> None:
    actions = Actions()
    with ShortcutPortal(bus, desktop) as portal, GlobalShortcuts(actions, granted) as shortcuts:
        shortcuts.set_up()
        (session,) = portal.sessions
        portal.sessions["/session/other"] = portal.sessions[session]
        portal.press("next_preset", "/session/other")
        portal.press("pause_or_resume", session)
        wait_until(lambda: actions.ran == ["pause_or_resume"])


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ModelError("The network is damaged.", "Pull it again."), "The shortcut for next_preset failed: The network is damaged."),
        (KeyError("a defect"), "KeyError: 'a defect'"),
    ],
)
def test_failed_action_is_logged_and_next_one_runs(
    bus: str, granted: GrantedShortcuts, desktop: "Desktop", caplog: pytest.LogCaptureFixture, error: Exception, text: str
) -> None:
    actions = Actions()

    def fail() -> None:
        raise error

    actions["next_preset"] = fail
    with ShortcutPortal(bus, desktop) as portal, GlobalShortcuts(actions, granted) as shortcuts:
        shortcuts.set_up()
        portal.press("next_preset")
        portal.press("pause_or_resume")
        wait_until(lambda: actions.ran == ["pause_or_resume"])
    assert text in caplog.text


def test_portal_without_registry_is_used(bus: str, granted: GrantedShortcuts, desktop: "Desktop") -> None:
    desktop.registry = False
    with ShortcutPortal(bus, desktop), GlobalShortcuts(Actions(), granted) as shortcuts:
        assert actions_of(shortcuts.set_up()) == BOTH


def test_portal_without_global_shortcuts_is_an_error(bus: str, granted: GrantedShortcuts, desktop: "Desktop") -> None:
    desktop.shortcuts = False
    with ShortcutPortal(bus, desktop), GlobalShortcuts(Actions(), granted) as shortcuts:
        with pytest.raises(BusError, match=r"^This desktop offers no global shortcuts to apps \(No such interface .*\). Assign"):
            shortcuts.set_up()
        assert (shortcuts.bound(), granted.read()) == ((), ())


def test_desktop_without_portal_or_bus_is_an_error(bus: str, granted: GrantedShortcuts, monkeypatch: pytest.MonkeyPatch) -> None:
    assert bus
    with GlobalShortcuts(Actions(), granted) as shortcuts:
        with pytest.raises(BusError, match=r"`livebg help hotkeys`"):
            shortcuts.set_up()
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent")
        with pytest.raises(BusError, match=r"^The session D-Bus does not respond"):
            shortcuts.set_up()


def test_second_dialog_is_refused_and_end_closes_the_first(bus: str, granted: GrantedShortcuts, desktop: "Desktop") -> None:
    desktop.is_open = True
    errors: list[LivebgError] = []

    def set_up() -> None:
        with pytest.raises(LivebgError) as caught:
            shortcuts.set_up()
        errors.append(caught.value)

    with ShortcutPortal(bus, desktop):
        with GlobalShortcuts(Actions(), granted) as shortcuts:
            waiting = threading.Thread(target=set_up)
            waiting.start()
            wait_until(lambda: len(desktop.dialogs) == 1)
            with pytest.raises(ConfigError, match=r"^The dialog for the shortcuts is already open."):
                shortcuts.set_up()
        waiting.join(PATIENCE)
    assert len(errors) == 1
    assert granted.read() == ()


def test_unwritable_grant_is_logged(bus: str, tmp_path: Path, desktop: "Desktop", caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    granted = GrantedShortcuts(tmp_path / "file" / "shortcuts.json")
    with ShortcutPortal(bus, desktop), GlobalShortcuts(Actions(), granted) as shortcuts:
        assert actions_of(shortcuts.set_up()) == BOTH
    assert "The shortcuts are not saved for the next start" in caplog.text
