"""``livebg snapshot``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from livebg.cli.console import exit_on_error, output

if TYPE_CHECKING:
    from livebg.preview.client import PreviewFrame


def snapshot(
    file: Annotated[Path, typer.Argument(metavar="OUT.png", help="The file to write: .png, .jpg or .webp.")],
    alpha: Annotated[bool, typer.Option("--alpha", help="Save the matte, in gray: white is the person.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
) -> None:
    """Save one picture as apps receive it.

    Turns the camera on if it is off. Exit code 6 if livebg is not running.
    """
    with exit_on_error():
        from livebg.preview import snapshot as still
        from livebg.preview.client import PreviewClient

        seen = still.snapshot(file, PreviewClient, alpha=alpha, overwrite=overwrite)
    output().print(_sentence(file, seen), markup=False)


def _sentence(file: Path, seen: "PreviewFrame") -> str:
    width, height = next(picture.size for picture in seen.pictures.values())
    status = seen.status
    if status is None:
        return f"{file}: {width}x{height}"
    if not seen.placeholder:
        return f"{file}: {width}x{height}, mode {status.mode}"
    reason = f" ({status.reason})" if status.reason else ""
    return f"{file}: {width}x{height}, placeholder because livebg is {status.state}{reason}"
