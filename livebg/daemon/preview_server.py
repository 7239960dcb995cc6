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
from contextlib import ExitStack
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, StrictBool, StrictInt, StrictStr, ValidationError

from livebg.compositing.composite import render_matte
from livebg.daemon.server import BinaryResult, Command, ControlServer
from livebg.errors import ConfigError
from livebg.imaging.frame import ColorSpec, Composite
from livebg.live.frame_path import OutputFrame
from livebg.live.preview_feed import PreviewFeed

View = Callable[[OutputFrame], Composite | None]
"""Returns the view of a picture, or None if unavailable. Called in the thread of the client's connection."""
_FRAME_TIMEOUT_S: Final = 0.5
"""Timeout for a new picture before an empty response is sent."""


class _FrameRequest(BaseModel, extra="forbid"):
    """The arguments of the ``look`` command."""

    views: list[StrictStr]
    after: StrictInt | None = None
    status: StrictBool = False


def views() -> dict[str, View]:
    """Return ``composite``, exactly the sent picture, and ``alpha``, its matte as gray in 0..255.

    The original picture of the room is not included: it requires the user's consent, which only the command line can give
    (``livebg.cli.consent``).
    """

    def alpha(sent: OutputFrame) -> Composite | None:
        shown = sent.captured
        return None if shown is None or sent.matte is None else render_matte(shown.frame, sent.matte)

    return {"composite": lambda sent: sent.composite, "alpha": alpha}


class PreviewServer(ControlServer):
    """Serves the pictures of ``feed`` on the socket ``path`` until it is closed.

    ``views`` are the available views; ``status`` returns the session's status. A client is subscribed from its first valid
    request until it disconnects. A client that is idle or does not read for ``timeout`` seconds is disconnected; at most
    ``max_clients`` clients are accepted. Clients cannot affect the session. Without UNIX sockets there is no preview; the control
    server logs that.
    """

    _client_thread_name = "livebg preview client"

    def __init__(
        self,
        path: Path,
        feed: PreviewFeed,
        views: Mapping[str, View],
        status: Callable[[], Mapping[str, Any]],
        *,
        timeout: float = 2.0,
        max_clients: int = 8,
    ) -> None:
        super().__init__(path, {}, timeout=timeout, max_clients=max_clients)
        self._feed, self._views, self._status = feed, dict(views), status

    def start(self) -> None:
        if hasattr(socket, "AF_UNIX"):
            super().start()

    def _commands_for_client(self, resources: ExitStack) -> Mapping[str, Command]:
        subscribe_once = cache(partial(resources.enter_context, self._feed.subscribe()))

        def look(arguments: Mapping[str, Any]) -> BinaryResult:
            request = self._parse(arguments)
            subscribe_once()
            return self._look(request)

        return {"look": look}

    def _parse(self, arguments: Mapping[str, Any]) -> _FrameRequest:
        try:
            request = _FrameRequest.model_validate(arguments)
        except ValidationError as error:
            loc = ".".join(str(part) for part in error.errors()[0]["loc"])
            raise ConfigError(
                f"Invalid argument {loc[:40]} of look.", "Pass views (a list of names), after (a number) and status (a boolean)."
            ) from None
        if not self._views.keys() >= set(request.views) or len(set(request.views)) < len(request.views):
            raise ConfigError("Invalid views of look.", f"Pass each of {', '.join(self._views)} at most once.")
        return request

    def _look(self, request: _FrameRequest) -> BinaryResult:
        sent = self._feed.wait_for_newer(request.after, _FRAME_TIMEOUT_S)
        made = {} if sent is None else {name: self._views[name](sent) for name in request.views}
        pictures = {name: picture for name, picture in made.items() if picture is not None}
        result = {
            "number": sent.number if sent else None,
            "placeholder": sent is not None and sent.captured is None,
            "age": sent.captured.age if sent and sent.captured else None,
            "pictures": [
                {"view": name, "width": picture.width, "height": picture.height, "color": _color_tags(picture.color)}
                for name, picture in pictures.items()
            ],
            "status": self._status() if request.status else None,
        }
        return BinaryResult(result, [picture.data.data for picture in pictures.values()])


def _color_tags(color: ColorSpec) -> dict[str, int | bool]:
    """Return the fields for the client. The profile is that of a photo; cameras have none."""
    return {name: value for name, value in asdict(color).items() if name != "icc"}
