"""``livebg preview`` and ``livebg snapshot``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from livebg.cli.console import output
from livebg.cli.options import VerboseOption

if TYPE_CHECKING:
    from livebg.preview.client import PreviewFrame


def preview(
    alpha: Annotated[bool, typer.Option("--alpha", help="Show the matte too.")] = False,
    original: Annotated[bool, typer.Option("--original", help="Show the unprocessed picture too, in this window only.")] = False,
    mirror: Annotated[bool, typer.Option("--mirror", help="Mirror the preview; apps receive it unchanged.")] = False,
    _verbose: VerboseOption = False,
) -> None:
    """Show the picture that apps receive.

    Keys: q quit, a matte, o original, m mirror, i status line. An open preview turns the camera on. Exit code 6 if livebg is
    not running.
    """
    from livebg.preview.client import PreviewClient, Receiver
    from livebg.preview.window import PreviewWindow, ViewOptions, check_display

    check_display()
    PreviewClient().close()  # fails at once if livebg is not running
    shape = ViewOptions(alpha, original, mirror)
    receiver = Receiver(PreviewClient, shape.views)
    receiver.start()
    try:
        PreviewWindow(receiver, shape).run()
    except KeyboardInterrupt:
        return  # Ctrl-C is a normal way to quit
    finally:
        receiver.close()


def snapshot(
    file: Annotated[Path, typer.Argument(metavar="OUT.png", help="The file to write: .png, .jpg or .webp.")],
    alpha: Annotated[bool, typer.Option("--alpha", help="Save the matte, in gray: white is the person.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
) -> None:
    """Save one picture as apps receive it.

    Turns the camera on if it is off. Exit code 6 if livebg is not running.
    """
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
