"""``livebg preview``."""

from typing import Annotated

import typer

from livebg.cli.console import VerboseOption, exit_on_error, set_verbosity


def preview(
    alpha: Annotated[bool, typer.Option("--alpha", help="Show the matte too.")] = False,
    original: Annotated[bool, typer.Option("--original", help="Show the unprocessed picture too, in this window only.")] = False,
    mirror: Annotated[bool, typer.Option("--mirror", help="Mirror the preview; apps receive it unchanged.")] = False,
    verbose: VerboseOption = False,
) -> None:
    """Show the picture that apps receive.

    Keys: q quit, a matte, o original, m mirror, i status line. An open preview turns the camera on. Exit code 6 if livebg is
    not running.
    """
    set_verbosity(verbose)
    with exit_on_error():
        from livebg.preview.client import PreviewClient
        from livebg.preview.receiver import Receiver
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
