"""The tray at work: it looks about every second, shows what has changed, and does what is clicked."""

import logging
import queue
import threading
from collections.abc import Callable
from typing import Final

from livebg.errors import LivebgError
from livebg.tray.actions import Doer
from livebg.tray.icon import Chosen, Icon
from livebg.tray.menu import Action, Camera, Deed, Surroundings, Tell, menu
from livebg.tray.status_view import TrayState, View

INTERVAL: Final = 0.8
"""Seconds between two looks: changes made elsewhere are to show within one."""
_BLINK: Final = 0.3
"""Seconds after which a picture that stands still is looked at again: where the look changes at once it does for an instant."""
_ASIDE: Final = (Deed.CHOOSE_BACKGROUND, Deed.PREVIEW, Deed.LOG, Deed.DOCTOR)
"""What waits for people or other programs, and must not hold up a click on Pause."""
_BUSY: Final = {Deed.START: "livebg is starting ...", Deed.RESTART: "livebg is starting again ..."}
_LOG: Final = logging.getLogger(__name__)


class Tray:
    """Puts the parts together.

    - ``make_icon`` makes what shows it, given what to call with each click;
    - ``doer`` does what is clicked; ``look`` tells how the running livebg is, ``cameras`` which cameras there are, and
      ``at_login`` whether the icon appears at login; ``notify`` shows a message, or raises LivebgError;
    - ``interval`` is the time between two looks, in seconds.
    """

    def __init__(
        self,
        make_icon: Callable[[Chosen], Icon],
        doer: Doer,
        look: Callable[[], View],
        cameras: Callable[[], tuple[Camera, ...]],
        at_login: Callable[[], bool],
        notify: Callable[[str], None],
        interval: float = INTERVAL,
    ) -> None:
        self._doer, self._look, self._cameras, self._at_login, self._notify = doer, look, cameras, at_login, notify
        self._interval = interval
        self._clicks: queue.SimpleQueue[Action | None] = queue.SimpleQueue()
        self._again = threading.Event()
        self._ended = threading.Event()
        self._busy: str | None = None
        self._trouble: str | None = None
        self.renewing = False
        """Whether it ended because it is to be started anew, from what is installed by now."""
        self._threads = [
            threading.Thread(target=self._keep_looking, name="livebg tray look", daemon=True),
            threading.Thread(target=self._keep_doing, name="livebg tray do", daemon=True),
        ]
        self._icon = make_icon(self.click)

    def run(self) -> None:
        """Until the user quits, or a signal comes. In the main thread. Raises :class:`~livebg.errors.DisplayError`."""
        seen = self._look()
        if seen.state is TrayState.NOT_RUNNING:
            self._clicks.put(Deed.START)
        self._show(seen)
        try:
            self._icon.run(self._begin)
        finally:
            self._ended.set()
            self._again.set()
            self._clicks.put(None)
            for thread in self._threads:
                if thread.ident is not None:
                    thread.join(self._interval)

    def click(self, action: Action) -> None:
        """Do it soon, in order; comes back at once."""
        self._trouble = None
        if action in (Deed.QUIT, Deed.RENEW_TRAY):
            self.renewing = action is Deed.RENEW_TRAY
            self._icon.stop()
        elif action in _ASIDE:
            threading.Thread(target=self._do, args=(action,), name="livebg tray aside", daemon=True).start()
        else:
            self._clicks.put(action)

    def failed(self, reason: str) -> None:
        """Tell people why something that they wanted did not happen."""
        _LOG.warning("%s", reason)
        self._trouble = reason
        self._again.set()
        try:
            self._notify(reason)
        except LivebgError as error:
            _LOG.debug("nobody shows messages here: %s", error)

    def _begin(self) -> None:
        for thread in self._threads:
            thread.start()

    def _keep_looking(self) -> None:
        while not self._ended.is_set():
            self._again.wait(self._interval)
            self._again.clear()
            seen = self._look()
            if seen.status and seen.status.state == "stalled":
                self._ended.wait(_BLINK)
                seen = self._look()
            self._show(seen)

    def _show(self, seen: View) -> None:
        around = Surroundings(self._cameras(), self._at_login(), self._busy, self._trouble)
        self._icon.show(seen.state, seen.sentence, menu(seen, around))

    def _keep_doing(self) -> None:
        while (action := self._clicks.get()) is not None:
            self._be_busy(_BUSY.get(action) if isinstance(action, Deed) else None)
            self._do(action)
            self._be_busy(None)

    def _do(self, action: Action) -> None:
        try:
            more = self._doer.do(action, self.failed)
        except LivebgError as error:
            self.failed(str(error))
            return
        finally:
            self._again.set()
        if isinstance(more, Tell):
            self._clicks.put(more)
        elif action is Deed.STOP_AND_QUIT:
            self._icon.stop()

    def _be_busy(self, words: str | None) -> None:
        self._busy = words
        self._again.set()
