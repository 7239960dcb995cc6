"""The preview socket of the running livebg: sent pictures, only for the previews of this user.

It is next to the control socket (``preview.sock`` in the user's runtime folder, mode 0600, in a folder of mode 0700). Requests
and responses are lines as in :mod:`livebg.daemon.protocol`, with the same version. There is one command:

    {"version": 2, "command": "look", "arguments": {"views": ["composite", "alpha"], "after": 41, "status": false}}
    {"version": 2, "ok": true, "result": {"number": 42, "placeholder": false, "age": 0.018, "status": null, "pictures": [
      {"view": "composite", "width": 1280, "height": 720, "color": {"matrix": 6, ..., "full_range": false}}, ...]}}

- The line feed of a response is followed by the bytes of its ``pictures`` in order: I420, width * height * 3 / 2 bytes each.
- ``after`` is the number of the client's last picture: the server waits up to half a second for another one. Without one,
  ``number`` is null. Each client has one picture in flight at a time, so a slow client gets the newest picture.
- A view that is currently unavailable, such as the matte of a placeholder, is omitted.
- ``age`` is in seconds since capture, null for the placeholder. ``status`` is the result of the ``status`` command.
- A client counts as watching from its first request until it disconnects. The server disconnects clients that are idle, or do
  not read, for two seconds.

A view is a :class:`~livebg.imaging.frame.Composite`, which the types enforce: no raw frame can be sent on this socket. The room
(``original``) is also a composite, made with the user's consent; see ``livebg.cli.consent``.

Raw I420 costs 0.3 ms of CPU time per 720p frame for both sides together; JPEG costs 4 ms. Shared memory would save 0.2 ms but
needs a lock that a client could hold, and cleanup after a crash.
"""

import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livebg.daemon.server import ControlServer
from livebg.daemon.views import View
from livebg.live.preview_feed import PreviewFeed

if TYPE_CHECKING:
    from livebg.daemon.connections import ConnectionServer


class PreviewServer(ControlServer):
    """Serves the pictures of ``audience`` on the socket ``path`` until it is closed.

    ``views`` are the available views; ``tell`` returns the session's status. A client that is idle or does not read for
    ``timeout`` seconds is disconnected; at most ``max_clients`` clients are accepted. Clients cannot affect the session. Without
    UNIX sockets there is no preview; the control server logs that.
    """

    def __init__(
        self,
        path: Path,
        audience: PreviewFeed,
        views: Mapping[str, View],
        tell: Callable[[], Mapping[str, Any]],
        *,
        timeout: float = 2.0,
        max_clients: int = 8,
    ) -> None:
        super().__init__(path, {}, timeout=timeout, max_clients=max_clients)
        self._audience, self._views, self._tell = audience, dict(views), tell

    def start(self) -> None:
        if hasattr(socket, "AF_UNIX"):
            super().start()

    def _listen(self) -> "ConnectionServer":
        from livebg.daemon.preview_connections import PreviewConnectionServer

        return PreviewConnectionServer(self._path, self._audience, self._views, self._tell, self._timeout, self._most)
