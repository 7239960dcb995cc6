"""Serves connections of the preview socket. Requires UNIX sockets; :mod:`livebg.daemon.preview_server` checks for them."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from pydantic import StrictBool, StrictInt, StrictStr, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from livebg.daemon import protocol
from livebg.daemon.connections import Connection, ConnectionServer
from livebg.daemon.views import View
from livebg.errors import ConfigError, LivebgError
from livebg.imaging.frame import Composite
from livebg.live.frame_path import OutputFrame
from livebg.live.preview_feed import PreviewFeed

_FRAME_TIMEOUT_S: Final = 0.5
"""Timeout for a new picture before an empty response is sent."""


@dataclass(frozen=True, config={"extra": "forbid"})
class _FrameRequest:
    """The arguments of the ``look`` command."""

    views: list[StrictStr]
    after: StrictInt | None = None
    status: StrictBool = False


_REQUEST_ADAPTER: Final = TypeAdapter(_FrameRequest)


class PreviewConnectionServer(ConnectionServer):
    """Listens as soon as it is created. A client is subscribed from its first request until it disconnects. Raises OSError."""

    thread_name = "livebg preview client"

    def __init__(
        self,
        path: Path,
        audience: PreviewFeed,
        views: Mapping[str, View],
        tell: Callable[[], Mapping[str, Any]],
        timeout: float,
        max_clients: int,
    ) -> None:
        self.audience, self._views, self._tell = audience, views, tell
        super().__init__(path, {}, timeout, max_clients, _Viewer)

    def parse_request(self, line: bytes) -> _FrameRequest:
        """Parses a request. Raises :class:`~livebg.errors.LivebgError`."""
        request = protocol.read_request(line)
        if request.command != "look":
            raise protocol.unknown_command(request.command, {"look": None})
        try:
            look: _FrameRequest = _REQUEST_ADAPTER.validate_python(dict(request.arguments))
        except ValidationError as error:
            loc = ".".join(str(part) for part in error.errors()[0]["loc"])
            raise ConfigError(
                f"Invalid argument {loc[:40]} of look. Pass views (a list of names), after (a number) and status (a boolean)."
            ) from None
        unknown = [name for name in look.views if name not in self._views]
        if unknown or len(set(look.views)) < len(look.views):
            raise ConfigError(f"Invalid views of look. Pass each of {', '.join(self._views)} at most once.")
        return look

    def response(self, look: _FrameRequest) -> bytes:
        """Returns the response followed by the pictures."""
        exhibit = self.audience.wait_for_newer(look.after, _FRAME_TIMEOUT_S)
        pictures = self._pictures(look.views, exhibit)
        result = {
            "number": exhibit.number if exhibit else None,
            "placeholder": exhibit is not None and exhibit.captured is None,
            "age": exhibit.captured.age if exhibit and exhibit.captured else None,
            "pictures": [_picture_header(name, picture) for name, picture in pictures.items()],
            "status": self._tell() if look.status else None,
        }
        return b"".join([protocol.write_answer(result), *(picture.data.data for picture in pictures.values())])

    def _pictures(self, names: list[str], exhibit: OutputFrame | None) -> dict[str, Composite]:
        if exhibit is None:
            return {}
        made = {name: self._views[name](exhibit) for name in names}
        return {name: picture for name, picture in made.items() if picture is not None}


class _Viewer(Connection):
    server: PreviewConnectionServer

    def setup(self) -> None:
        super().setup()
        self._subscription = ExitStack()
        self._subscribed = False

    def answer(self, line: bytes) -> bytes:
        try:
            look = self.server.parse_request(line)
        except LivebgError as error:
            return protocol.write_error(error)
        if not self._subscribed:
            self._subscription.enter_context(self.server.audience.subscribe())
            self._subscribed = True
        return self.server.response(look)

    def finish(self) -> None:
        self._subscription.close()
        super().finish()


def _picture_header(name: str, picture: Composite) -> dict[str, Any]:
    return {"view": name, "width": picture.width, "height": picture.height, "color": asdict(picture.color)}
