"""``livebg preset``."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Annotated

import typer

from livebg.cli.console import CheckedCommand, output
from livebg.cli.control import send
from livebg.cli.options import completion
from livebg.daemon.client import request
from livebg.daemon.status import PresetList
from livebg.errors import NotRunningError


def _names() -> Iterable[str]:
    from livebg.daemon.presets import Presets

    return (entry.name for entry in Presets().overview().presets)


NameArgument = Annotated[str, typer.Argument(help="A name from `livebg preset list`.", autocompletion=completion(_names))]
app = typer.Typer(help="Save settings under a name, and apply them together.", no_args_is_help=True)


@app.command("list", cls=CheckedCommand)
def preset_list(json_lines: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False) -> None:
    """List the presets. Only a running livebg knows which one is current."""
    found = _overview()
    for entry in found.presets:
        current = entry.name == found.current
        if json_lines:
            output().print(json.dumps({**asdict(entry), "current": current}), markup=False)
            continue
        notes = [*(["built in"] if entry.builtin else []), *(["current"] if current else []), entry.error]
        text = ", ".join(note for note in notes if note)
        output().print(f"{entry.name} ({text})" if text else entry.name, markup=False)


@app.command("use", cls=CheckedCommand)
def preset_use(name: NameArgument) -> None:
    """Apply a preset and turn the effect on.

    Settings that the preset does not contain stay unchanged. The look is remembered for the next start.
    """
    send("use_preset", {"name": name})


@app.command("next", cls=CheckedCommand)
def preset_next() -> None:
    """Apply the next preset of the list, for a hot key."""
    send("next_preset")


@app.command("save", cls=CheckedCommand)
def preset_save(
    name: Annotated[str, typer.Argument(help="1 to 40 of the characters A-Z, a-z, 0-9, space, _ and -.", show_default=False)],
) -> None:
    """Save the settings of effect and smoothing of the running livebg as a preset.

    Replaces your preset of the same name.
    """
    request("save_preset", {"name": name})
    output().print(f"Saved the preset {name}.", markup=False)


@app.command("delete", cls=CheckedCommand)
def preset_delete(name: NameArgument) -> None:
    """Delete one of your presets. The current settings stay unchanged."""
    try:
        request("delete_preset", {"name": name})
    except NotRunningError:
        from livebg.daemon.presets import Presets

        Presets().delete(name)
    output().print(f"Deleted the preset {name}.", markup=False)


def _overview() -> PresetList:
    """Return the presets that the running livebg knows, otherwise those of this user."""
    from livebg.daemon.presets import Presets

    try:
        return PresetList.from_dict(request("presets"))
    except NotRunningError:
        return Presets().overview()
