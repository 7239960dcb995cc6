"""The commands of the control socket for a running session.

Commands that may show the room are not included: they require the user's consent, which only the command line can give.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, Field, StrictBool, StrictStr, ValidationError

from livebg.config.settings import Settings, setting_keys
from livebg.daemon.controller import SessionController
from livebg.daemon.preset_switcher import PresetSwitcher
from livebg.daemon.server import Command, no_arguments
from livebg.daemon.settings_layers import check_text, settable_keys
from livebg.daemon.shortcut_portal import Shortcut
from livebg.daemon.shortcuts import GlobalShortcuts
from livebg.daemon.status import CommandResult
from livebg.errors import ConfigError
from livebg.live.recorder import Recorder, RecordingOptions

_MAX_NAME_LENGTH: Final = 256


def commands(controller: SessionController) -> dict[str, Command]:
    """Return the commands by name.

    Arguments: ``mode`` and ``background`` (strings), ``settings`` (object with dotted keys).
    """
    return {
        "status": no_arguments(lambda: controller.status().as_dict()),
        "on": state_after(controller.on),
        "pause": state_after(controller.pause),
        "resume": state_after(controller.resume),
        "reload": state_after(controller.reload),
        "mode": lambda arguments: asdict(controller.set_mode(_text(arguments, "mode"))),
        "background": lambda arguments: asdict(controller.set_background(_text(arguments, "background"))),
        "set": lambda arguments: asdict(controller.set(_settings(arguments))),
        "pause_or_resume": state_after(controller.pause_or_resume),
        "settings": no_arguments(lambda: _current_settings(controller.settings)),
    }


def preset_commands(presets: PresetSwitcher) -> dict[str, Command]:
    """Return the commands for presets by name. Argument: ``name`` of a preset (string)."""
    return {
        "presets": no_arguments(lambda: asdict(presets.overview())),
        "use_preset": lambda arguments: asdict(presets.use(_text(arguments, "name"))),
        "save_preset": lambda arguments: asdict(presets.save(_text(arguments, "name"))),
        "delete_preset": lambda arguments: asdict(presets.delete(_text(arguments, "name"))),
        "next_preset": state_after(presets.use_next),
    }


def shortcut_commands(shortcuts: GlobalShortcuts) -> dict[str, Command]:
    """Return the commands that list the global shortcuts and let the user choose them in a dialog, which takes minutes."""

    def listed(found: tuple[Shortcut, ...]) -> dict[str, Any]:
        return {"shortcuts": [asdict(shortcut) for shortcut in found]}

    return {
        "shortcuts": no_arguments(lambda: listed(shortcuts.bound())),
        "set_up_shortcuts": no_arguments(lambda: listed(shortcuts.set_up())),
    }


def recording_commands(recorder: Recorder) -> dict[str, Command]:
    """Return the commands ``record`` (arguments: those of :class:`RecordRequest`) and ``stop_recording``.

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
    """Return the validated arguments of ``record``. Raises :class:`~livebg.errors.ConfigError`."""
    try:
        request = RecordRequest.model_validate(dict(arguments))
    except ValidationError as error:
        loc = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise ConfigError(
            f"Invalid argument {loc[:40]} of record.",
            "Pass path (an absolute path), overwrite (a boolean), seconds (above 0) and audio (a microphone).",
        ) from None
    check_text("path", request.path)
    path = Path(request.path)
    if not path.is_absolute():
        raise ConfigError(f"The path {path} is not absolute.", "Pass the whole path.")
    if request.audio is not None and (request.audio.startswith("-") or "\0" in request.audio):
        raise ConfigError(f"There is no microphone {request.audio[:40]!r}.", "Use default, or one of `pactl list short sources`.")
    return RecordingOptions(path=path, overwrite=request.overwrite, seconds=request.seconds, audio=request.audio)


def state_after(run: Callable[[], CommandResult]) -> Command:
    """Return a command without arguments that returns the resulting state."""
    return no_arguments(lambda: asdict(run()))


def _current_settings(settings: Settings) -> dict[str, Any]:
    """Return ``values``, every setting by its dotted key, and ``settable``, the keys that can change while livebg runs."""
    tree = settings.model_dump(mode="json")
    values = {key: tree[section][name] for key in setting_keys() for section, _, name in [key.partition(".")]}
    return {"values": values, "settable": list(settable_keys())}


def _text(arguments: Mapping[str, Any], name: str) -> str:
    value = _single_argument(arguments, name)
    if not isinstance(value, str):
        raise ConfigError(f"The argument {name} is not a string.", "Use a JSON string.")
    check_text(name, value)
    return value


def _settings(arguments: Mapping[str, Any]) -> dict[str, Any]:
    settings = _single_argument(arguments, "settings")
    if not isinstance(settings, dict) or not settings:
        raise ConfigError("The argument settings is not an object of settings.", 'Example: {"effect.blur": 0.05}.')
    for key, value in settings.items():
        check_text(key, value)
    return settings


def _single_argument(arguments: Mapping[str, Any], name: str) -> Any:
    if arguments.keys() != {name}:
        raise ConfigError(
            f"The command takes exactly the argument {name} but got {len(arguments)} arguments.", f"Pass only {name}."
        )
    return arguments[name]
