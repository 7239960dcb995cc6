"""Detects whether an app uses one of several outputs."""

import logging
import threading
from collections.abc import Callable, Sequence

from livebg.live.presence.device import Method, Presence, PresenceFactory

_LOG = logging.getLogger(__name__)


class CombinedPresence:
    """The :class:`~livebg.live.presence.device.Presence` of several outputs: watched if one of them is.

    ``factories`` makes one presence for each output. ``device`` names the open devices, separated by commas; the presences
    receive the device node among them.
    """

    def __init__(
        self, factories: Sequence[PresenceFactory], device: Callable[[], str | None], changed: Callable[[], object]
    ) -> None:
        def node() -> str | None:
            return next((name for name in (device() or "").split(", ") if name.startswith("/")), None)

        self._parts = [factory(node, changed) for factory in factories]
        self._changed, self._failed = changed, False

    @property
    def watched(self) -> bool | None:
        found = [part.watched for part in self._parts]
        return True if self._failed or True in found else None if None in found else False

    @property
    def method(self) -> Method:
        """The method of the output that is watched, or of the first one."""
        return next((part.method for part in self._parts if part.watched), self._parts[0].method)

    def run(self) -> None:
        threads = [
            threading.Thread(target=self._run_part, args=(part,), name="livebg-presence", daemon=True) for part in self._parts[1:]
        ]
        for thread in threads:
            thread.start()
        self._run_part(self._parts[0])
        for thread in threads:
            thread.join()

    def _run_part(self, part: Presence) -> None:
        try:
            part.run()
        except Exception:  # noqa: BLE001 - one output without presence must not end the other's
            _LOG.exception("Presence detection failed. The camera stays on.")
            self._failed = True
            self._changed()

    def stop(self) -> None:
        for part in self._parts:
            part.stop()
