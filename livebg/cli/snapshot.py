"""``livebg snapshot``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from livebg.cli.console import output, spoken_errors

if TYPE_CHECKING:
    from livebg.preview.client import Seen


def snapshot(
    file: Annotated[Path, typer.Argument(metavar="OUT.png", help="The picture to write: .png, .jpg or .webp.")],
    alpha: Annotated[bool, typer.Option("--alpha", help="The matte alone, in grey: white is you.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that exists.")] = False,
) -> None:
    """One picture of what calls see now. A livebg that sleeps is woken for it. Exit code 6 when none runs."""
    with spoken_errors():
        from livebg.preview import snapshot as still
        from livebg.preview.client import PreviewChannel

        seen = still.snapshot(file, PreviewChannel, alpha=alpha, overwrite=overwrite)
    output().print(_sentence(file, seen), markup=False)


def _sentence(file: Path, seen: "Seen") -> str:
    width, height = next(picture.size for picture in seen.pictures.values())
    status = seen.status
    if status is None:
        return f"{file}: {width}x{height}"
    if not seen.placeholder:
        return f"{file}: {width}x{height}, mode {status.mode}"
    reason = f" ({status.reason})" if status.reason else ""
    return f"{file}: {width}x{height}, the placeholder, since livebg is {status.state}{reason}"
