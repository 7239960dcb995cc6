"""``livebg camera``: the controls of the camera, such as exposure and focus."""

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich import box
from rich.markup import escape
from rich.table import Table

from livebg.cli.console import CheckedCommand, output
from livebg.cli.options import ConfigOption
from livebg.errors import ConfigError, NotRunningError

_TIMEOUT_S: Final = 10.0
"""Timeout of a command; a sleeping USB camera takes seconds to answer."""
CameraOption = Annotated[
    str | None, typer.Option("--camera", metavar="NAME", help="Another camera than the one livebg uses: a name or a path.")
]
_Request = Callable[[str, Mapping[str, Any]], Any]

app = typer.Typer(help="Set exposure, focus and zoom of the camera.")


@app.callback(invoke_without_command=True)
def camera(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        camera_list()


@app.command("list", cls=CheckedCommand)
def camera_list(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    name: CameraOption = None,
    config: ConfigOption = None,
) -> None:
    """List the controls with their values and ranges."""
    found = _requester(name, config)("camera_controls", {})
    if as_json:
        output().print(json.dumps(found), markup=False)
    elif found["controls"]:
        output().print(_table(found))
    else:
        output().print(f"The camera {found['camera']} has no controls.", markup=False)


@app.command("set", cls=CheckedCommand, no_args_is_help=True)
def camera_set(
    pairs: Annotated[list[str], typer.Argument(metavar="KEY=VALUE", help="Such as auto_exposure=1 gain=64.", show_default=False)],
    name: CameraOption = None,
    config: ConfigOption = None,
) -> None:
    """Set controls, one after the other.

    A value is a number, on or off, the name of a choice, or default. A camera keeps its values until it loses power:
    `livebg camera save` keeps them for good.
    """
    request = _requester(name, config)
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise ConfigError(f"{pair!r} has no value.", "Write KEY=VALUE, such as gain=64.")
        result = request("set_camera_control", {"key": key, "value": value})
        control = next(each for each in result["controls"] if each["key"] == key)
        output().print(f"{key} is {_text(control, control['value'])}.", markup=False)


@app.command("save", cls=CheckedCommand)
def camera_save(name: CameraOption = None, config: ConfigOption = None) -> None:
    """Save the current values, to restore them whenever livebg opens this camera."""
    result = _requester(name, config)("save_camera_controls", {})
    output().print(f"Saved {len(result['saved'])} controls of {result['camera']}.", markup=False)


def _requester(name: str | None, config: Path | None) -> _Request:
    """Return a function that runs a command: in the running livebg, or here for a named camera or if none runs."""
    from livebg.daemon.client import request

    if name is not None:
        return partial(_run_here, name)

    def run(command: str, arguments: Mapping[str, Any]) -> Any:
        try:
            return request(command, arguments, timeout=_TIMEOUT_S)
        except NotRunningError:
            return _run_here(_configured(config), command, arguments)

    return run


def _configured(config: Path | None) -> str:
    """Return the camera that `livebg run` would use."""
    from livebg.daemon.saved_choices import SavedChoices
    from livebg.daemon.settings_layers import SettingsLayers

    return SettingsLayers.start({}, config, SavedChoices().read()).settings().camera.device


def _run_here(name: str, command: str, arguments: Mapping[str, Any]) -> Any:
    from livebg.daemon.camera_commands import camera_commands
    from livebg.sources.camera_controls import SavedControls, controls_of

    return camera_commands(lambda: controls_of(name, SavedControls()))[command](arguments)


def _table(found: Mapping[str, Any]) -> Table:
    table = Table(
        *("control", "value", "range", "default", ""),
        box=box.SIMPLE_HEAD,
        show_edge=False,
        title=escape(found["camera"]),
        title_justify="left",
    )
    for control in found["controls"]:
        cells = (control["key"], _text(control, control["value"]), _range(control), str(control["default"]), _note(control))
        table.add_row(*(escape(cell) for cell in cells))
    return table


def _text(control: Mapping[str, Any], value: int) -> str:
    if control["menu"] is not None:
        return f"{value} ({control['menu'].get(str(value), 'unknown')})"
    return ("on" if value else "off") if control["type"] == "boolean" else str(value)


def _range(control: Mapping[str, Any]) -> str:
    if control["menu"] is not None:
        return ", ".join(f"{value} ({name})" for value, name in control["menu"].items())
    step = f", step {control['step']}" if control["step"] > 1 else ""
    return "on, off" if control["type"] == "boolean" else f"{control['minimum']} to {control['maximum']}{step}"


def _note(control: Mapping[str, Any]) -> str:
    if control["active"]:
        return ""
    if control["read_only"]:
        return "read-only"
    return f"inactive; first set {control['activate']}" if control["activate"] else "inactive"
