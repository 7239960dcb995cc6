"""``livebg on``, ``off``, ``toggle``, ``pause``, ``resume``, ``mode``, ``background``, ``set``, ``reload`` and ``stop``."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from livebg.cli.console import CheckedCommand, output
from livebg.cli.options import complete_background, completion
from livebg.config.choices import BUILTIN_BACKGROUNDS, LIVE_MODES
from livebg.daemon.client import COMMAND_TIMEOUT_S, request
from livebg.daemon.runtime_dir import running_pid
from livebg.daemon.status import CommandResult
from livebg.errors import ConfigError, LivebgError
from livebg.platform.user_paths import expand_user, is_file

_STOP_TIMEOUT_S: Final = 5.0


class SetCommand(CheckedCommand):
    """Lists the keys in its help. Nothing else here needs the settings, which are slow to import."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        from livebg.daemon.settings_layers import settable_keys

        self.help = f"{self.help}\n\nThe keys are {', '.join(settable_keys())}. `livebg help config` describes them."
        super().format_help(ctx, formatter)


def on() -> None:
    """Turn the effect on."""
    send("on")


def off() -> None:
    """Turn the effect off: shows your room until `livebg on`.

    A restart of livebg turns the effect on again.
    """
    send("off")


def toggle() -> None:
    """Turn the effect on or off, for a hot key. Can show your room."""
    send("toggle")


def pause(toggle: Annotated[bool, typer.Option("--toggle", help="If paused, turn the effect on and continue.")] = False) -> None:
    """Show a placeholder and release the camera."""
    send("pause_or_resume" if toggle else "pause")


def resume() -> None:
    """End the pause."""
    send("resume")


def mode(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="portrait, greenscreen, background or matte.", autocompletion=completion(lambda: LIVE_MODES)
        ),
    ],
) -> None:
    """Switch to portrait, greenscreen, background or matte.

    The mode is remembered for the next start.
    """
    send("mode", {"mode": name})


def background(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="FILE|#rrggbb|NAME",
            help="A picture, a video, a color, or a built-in background.",
            autocompletion=complete_background,
        ),
    ] = None,
) -> None:
    """Change the background; without an argument, list built-in ones.

    The background is remembered for the next start.
    """
    if what is None:
        output().print("\n".join(BUILTIN_BACKGROUNDS), markup=False)
        return
    send("background", {"background": _background(what)})


def _assignments() -> list[str]:
    from livebg.daemon.settings_layers import settable_keys

    return [f"{key}=" for key in settable_keys()]


def set_(
    pairs: Annotated[
        list[str],
        typer.Argument(
            metavar="KEY=VALUE", help="Such as effect.blur=0.05.", show_default=False, autocompletion=completion(_assignments)
        ),
    ],
) -> None:
    """Change settings of the running livebg.

    Values of effect, smoothing and camera.device are remembered for the next start.
    """
    settings = dict(_pair(pair) for pair in pairs)
    send("set", {"settings": settings})


def reload() -> None:
    """Reread the configuration file and apply the changes."""
    send("reload")


def stop() -> None:
    """Stop the running livebg.

    Waits until it has ended. Exit code 6 if livebg is not running.
    """
    pid = running_pid()
    request("stop")
    _await_end(pid)
    output().print(f"livebg{f' (pid {pid})' if pid else ''} stopped.", markup=False)


def send(command: str, arguments: Mapping[str, Any] | None = None) -> None:
    """Send a command and print what apps receive then."""
    result = CommandResult.from_dict(request(command, arguments, timeout=COMMAND_TIMEOUT_S))
    output().print(_sentence(command, result), markup=False)


def _sentence(command: str, result: CommandResult) -> str:
    parts = [_describe(result)]
    if command in ("set", "reload", "use_preset", "next_preset"):
        parts.insert(0, f"Changed {', '.join(result.changed)}." if result.changed else "Nothing changed.")
    if result.at_next_start:
        parts.append(f"Restart livebg to apply {', '.join(result.at_next_start)}.")
    return " ".join([*parts, *([f"Note: {result.note}"] if result.note else [])])


def _describe(result: CommandResult) -> str:
    """Describe what apps receive."""
    if result.paused:
        return "Paused, camera released. Run `livebg resume` to continue."
    if not result.effect:
        return "Effect off, your room is visible. Run `livebg on` to hide it."
    details = {
        "portrait": f", blur width {result.blur:g} of the frame height",
        "greenscreen": f", color {result.screen}",
        "background": f", {result.background}",
    }
    return f"Mode {result.mode}{details.get(result.mode, '')}."


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"{text!r} has no value.", "Write KEY=VALUE, such as effect.blur=0.05.")
    return key, _with_absolute_paths(key, value)


def _with_absolute_paths(key: str, value: str) -> str:
    """Make paths absolute: the running livebg does not know the working directory of the user."""
    if key == "effect.background":
        return _background(value)
    if key in ("model.name", "camera.device"):
        return _absolute(value, "/" in value and "://" not in value)
    if key == "model.folders" and not value.startswith("["):
        return os.pathsep.join(str(expand_user(folder).absolute()) for folder in value.split(os.pathsep) if folder)
    return value


def _background(name: str) -> str:
    """Return the name of a built-in background or a color unchanged, even if a file has that name; make a path absolute."""
    built_in = name.startswith("#") or name in BUILTIN_BACKGROUNDS
    return name if built_in else _absolute(name, "/" in name or bool(Path(name).suffix))


def _absolute(name: str, is_path: bool) -> str:
    path = expand_user(name)
    return str(path.absolute()) if is_path or is_file(path) else name


def _await_end(pid: int | None) -> None:
    """Wait until the process has ended. Another process with the lock counts as ended: a service restarts livebg at once."""
    deadline = time.monotonic() + _STOP_TIMEOUT_S
    while (running := running_pid()) is not None and (not pid or running in (pid, 0)):
        if time.monotonic() >= deadline:
            known = running or pid
            name = f"livebg (pid {known})" if known else "livebg"
            fix = f"Run `kill {known}`" if known else "End its process"  # `kill 0` would end the user's own shell
            raise LivebgError(f"{name} did not stop within {_STOP_TIMEOUT_S:g} s.", f"{fix}.")
        time.sleep(0.05)
