"""The commands of the control socket for a running session.

Commands that may show the room are not included: they require the user's consent, which only the command line can give.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, Field, StrictBool, StrictStr, ValidationError

from livebg.daemon.controller import SessionController
from livebg.daemon.server import Command, no_arguments
from livebg.daemon.status import CommandResult
from livebg.errors import ConfigError
from livebg.live.recorder import Recorder, RecordingOptions

_MAX_NAME_LENGTH: Final = 256
_MAX_VALUE_LENGTH: Final = 4096
"""Maximum number of characters of a value: Linux's maximum path length."""


def commands(controller: SessionController) -> dict[str, Command]:
    """Returns the commands by name. Arguments: ``mode`` and ``background`` (strings), ``settings`` (object with dotted keys)."""
    return {
        "status": no_arguments(lambda: controller.status().as_dict()),
        "on": state_after(controller.on),
        "pause": state_after(controller.pause),
        "resume": state_after(controller.resume),
        "reload": state_after(controller.reload),
        "mode": lambda arguments: asdict(controller.set_mode(_text(arguments, "mode"))),
        "background": lambda arguments: asdict(controller.set_background(_text(arguments, "background"))),
        "set": lambda arguments: asdict(controller.set(_settings(arguments))),
    }


def recording_commands(recorder: Recorder) -> dict[str, Command]:
    """Returns the commands ``record`` (arguments: those of :class:`RecordRequest`) and ``stop_recording``.

    ``record`` never shows the room. Both return a :class:`~livebg.live.recorder.RecordingStatus`.
    """
    return {
        "record": lambda arguments: asdict(recorder.start(recording_options(arguments))),
        "stop_recording": no_arguments(lambda: asdict(recorder.stop())),
    }


class RecordRequest(BaseModel, extra="forbid"):
    """The arguments of the command ``record``; ``path`` is absolute, ``seconds`` above 0."""

    path: StrictStr
    overwrite: StrictBool = False
    seconds: Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)] | None = None
    audio: Annotated[StrictStr, Field(min_length=1, max_length=_MAX_NAME_LENGTH)] | None = None


def recording_options(arguments: Mapping[str, Any]) -> RecordingOptions:
    """Returns the validated arguments of ``record``. Raises :class:`~livebg.errors.ConfigError`."""
    try:
        request = RecordRequest.model_validate(dict(arguments))
    except ValidationError as error:
        loc = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise ConfigError(
            f"Invalid argument {loc[:40]} of record.",
            "Pass path (an absolute path), overwrite (a boolean), seconds (above 0) and audio (a microphone).",
        ) from None
    path = Path(_valid_path_text("path", request.path))
    if not path.is_absolute():
        raise ConfigError(f"The path {path} is not absolute.", "Pass the whole path.")
    if request.audio is not None and (request.audio.startswith("-") or "\0" in request.audio):
        raise ConfigError(f"There is no microphone {request.audio[:40]!r}.", "Use default, or one of `pactl list short sources`.")
    return RecordingOptions(path=path, overwrite=request.overwrite, seconds=request.seconds, audio=request.audio)


def state_after(run: Callable[[], CommandResult]) -> Command:
    """Returns a command without arguments that returns the resulting state."""
    return no_arguments(lambda: asdict(run()))


def _text(arguments: Mapping[str, Any], name: str) -> str:
    value = _single_argument(arguments, name)
    if not isinstance(value, str):
        raise ConfigError(f"The argument {name} is not a string.", "Use a JSON string.")
    return str(_valid_path_text(name, value))


def _settings(arguments: Mapping[str, Any]) -> dict[str, Any]:
    settings = _single_argument(arguments, "settings")
    if not isinstance(settings, dict) or not settings:
        raise ConfigError("The argument settings is not an object of settings.", 'Example: {"effect.blur": 0.05}.')
    return {key: _valid_path_text(key, value) for key, value in settings.items()}


def _single_argument(arguments: Mapping[str, Any], name: str) -> Any:
    if arguments.keys() != {name}:
        raise ConfigError(
            f"The command takes exactly the argument {name} but got {len(arguments)} arguments.", f"Pass only {name}."
        )
    return arguments[name]


def _valid_path_text(name: str, value: Any) -> Any:
    """Returns ``value`` unless it is a string that cannot be a path on any file system."""
    if isinstance(value, str):
        if len(value) > _MAX_VALUE_LENGTH:
            raise ConfigError(
                f"The value of {name[:80]} has {len(value)} characters; the maximum is {_MAX_VALUE_LENGTH}.", "Shorten it."
            )
        try:
            usable = b"\0" not in os.fsencode(value)
        except UnicodeEncodeError:
            usable = False
        if not usable:
            raise ConfigError(f"The value of {name[:80]} contains characters that are not allowed in file names.", "Remove them.")
    return value
