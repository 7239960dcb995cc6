"""The preview socket of the running livebg: pictures as they were sent, for this user's own previews alone.

Beside the control socket (``preview.sock`` in the user's runtime folder, mode 0600, in a folder of mode 0700). Requests and
answers are lines as in :mod:`livebg.daemon.protocol`, of the same version; there is one command:

    {"version": 2, "command": "look", "arguments": {"views": ["composite", "alpha"], "after": 41, "status": false}}
    {"version": 2, "ok": true, "result": {"number": 42, "placeholder": false, "age": 0.018, "status": null, "pictures": [
      {"view": "composite", "width": 1280, "height": 720, "color": {"matrix": 6, ..., "full_range": false}}, ...]}}

- Behind the line feed of an answer come the bytes of its ``pictures``, in their order: I420, width * height * 3 / 2 bytes each.
- ``after`` is the number of the picture that the client has: the answer waits for another one, for half a second. Without a
  picture ``number`` is null. So each client has one picture on its way at a time, and who is slow gets the newest of then.
- A view that there is none of at the moment, such as the matte of a placeholder, is left out.
- ``age`` is in seconds since the picture was taken, null for the placeholder. ``status`` is that of the command of this name.
- Whoever has looked once counts as watching until the connection ends. It ends when the client is silent, or does not read, for
  two seconds.

A view is a :class:`~livebg.imaging.frame.Composite`, which the types guard: no raw frame can be put on this socket. The room as
it is (``original``) is a composite too, made on the user's own word, which is the message that names it: see
``livebg.cli.consent``.

Raw I420 over the socket was measured against the alternatives (720p, CPU time a frame): 0.3 ms for both sides together, where
JPEG takes 4 ms. Shared memory would save 0.2 ms more, and need a lock that a client could hold, and somebody to tidy up after a
crash.
"""

import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livebg.daemon.server import ControlServer
from livebg.daemon.views import View
from livebg.live.preview_feed import Audience

if TYPE_CHECKING:
    from livebg.daemon.connections import ConnectionServer


class PreviewServer(ControlServer):
    """Shows what the ``audience`` is shown on the socket ``path``, until it is closed.

    ``views`` are those that may be asked for, and ``tell`` tells the session's status. A client that is silent or does not read
    for ``timeout`` seconds is hung up on; at most ``most`` are connected at a time. Whatever a client does, the session goes on
    as without it. Where Python has no UNIX sockets there is no preview, which the control socket's log tells.
    """

    def __init__(
        self,
        path: Path,
        audience: Audience,
        views: Mapping[str, View],
        tell: Callable[[], Mapping[str, Any]],
        *,
        timeout: float = 2.0,
        most: int = 8,
    ) -> None:
        super().__init__(path, {}, timeout=timeout, most=most)
        self._audience, self._views, self._tell = audience, dict(views), tell

    def start(self) -> None:
        if hasattr(socket, "AF_UNIX"):
            super().start()

    def _listen(self) -> "ConnectionServer":
        from livebg.daemon.preview_connections import PreviewConnectionServer

        return PreviewConnectionServer(self._path, self._audience, self._views, self._tell, self._timeout, self._most)
