"""The preview socket's connections. Only for systems with UNIX sockets: :mod:`livebg.daemon.preview_server` looks first."""

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
from livebg.live.preview_feed import Audience, Exhibit

_WAIT: Final = 0.5
"""Seconds to wait for a picture before it is said that there is no new one."""


@dataclass(frozen=True, config={"extra": "forbid"})
class _Look:
    """The arguments of ``look``."""

    views: list[StrictStr]
    after: StrictInt | None = None
    status: StrictBool = False


_ASKED: Final = TypeAdapter(_Look)


class PreviewConnectionServer(ConnectionServer):
    """Listens from its making on; whoever has looked once has a seat until the connection ends. Raises OSError."""

    thread_name = "livebg preview client"

    def __init__(
        self,
        path: Path,
        audience: Audience,
        views: Mapping[str, View],
        tell: Callable[[], Mapping[str, Any]],
        timeout: float,
        most: int,
    ) -> None:
        self.audience, self._views, self._tell = audience, views, tell
        super().__init__(path, {}, timeout, most, _Viewer)

    def asked(self, line: bytes) -> _Look:
        """What is asked for. Raises :class:`~livebg.errors.LivebgError`."""
        request = protocol.read_request(line)
        if request.command != "look":
            raise protocol.unknown_command(request.command, {"look": None})
        try:
            look: _Look = _ASKED.validate_python(dict(request.arguments))
        except ValidationError as error:
            where = ".".join(str(part) for part in error.errors()[0]["loc"])
            raise ConfigError(
                f"the argument {where[:40]} of look is not as expected: say views, a list of names, after, a number, and status"
            ) from None
        unknown = [name for name in look.views if name not in self._views]
        if unknown or len(set(look.views)) < len(look.views):
            raise ConfigError(f"the views of look are no names, each once, of {', '.join(self._views)}: name them so")
        return look

    def shown(self, look: _Look) -> bytes:
        """The answer, and behind it the pictures."""
        exhibit = self.audience.newest(look.after, _WAIT)
        pictures = self._pictures(look.views, exhibit)
        result = {
            "number": exhibit.number if exhibit else None,
            "placeholder": exhibit is not None and exhibit.shown is None,
            "age": exhibit.shown.captured.age if exhibit and exhibit.shown else None,
            "pictures": [_described(name, picture) for name, picture in pictures.items()],
            "status": self._tell() if look.status else None,
        }
        return b"".join([protocol.write_answer(result), *(picture.data.data for picture in pictures.values())])

    def _pictures(self, names: list[str], exhibit: Exhibit | None) -> dict[str, Composite]:
        if exhibit is None:
            return {}
        made = {name: self._views[name](exhibit) for name in names}
        return {name: picture for name, picture in made.items() if picture is not None}


class _Viewer(Connection):
    server: PreviewConnectionServer

    def setup(self) -> None:
        super().setup()
        self._seat = ExitStack()
        self._seated = False

    def answer(self, line: bytes) -> bytes:
        try:
            look = self.server.asked(line)
        except LivebgError as error:
            return protocol.write_refusal(error)
        if not self._seated:
            self._seat.enter_context(self.server.audience.seat())
            self._seated = True
        return self.server.shown(look)

    def finish(self) -> None:
        self._seat.close()
        super().finish()


def _described(name: str, picture: Composite) -> dict[str, Any]:
    return {"view": name, "width": picture.width, "height": picture.height, "color": asdict(picture.color)}
