"""``livebg preview``."""

from typing import Annotated

import typer

from livebg.cli.console import VerboseOption, be_verbose, spoken_errors


def preview(
    alpha: Annotated[bool, typer.Option("--alpha", help="The matte beside it.")] = False,
    original: Annotated[bool, typer.Option("--original", help="The room as it is beside it, in this window alone.")] = False,
    mirror: Annotated[bool, typer.Option("--mirror", help="Left and right as in a mirror; calls see it unchanged.")] = False,
    verbose: VerboseOption = False,
) -> None:
    """A window with what calls see. Keys: q ends it, a the matte, o the original, m mirrors, i the line of text.

    While it is open, livebg takes it for somebody who watches: the camera is on. Exit code 6 when livebg is not running.
    """
    be_verbose(verbose)
    with spoken_errors():
        from livebg.preview.display import check_display

        check_display()
        from livebg.preview.client import PreviewChannel
        from livebg.preview.receiver import Receiver
        from livebg.preview.window import PreviewWindow, Shape

        PreviewChannel().close()  # whoever is not running at all is not waited for
        shape = Shape(alpha, original, mirror)
        receiver = Receiver(PreviewChannel, shape.views)
        receiver.start()
        try:
            PreviewWindow(receiver, shape).run()
        except KeyboardInterrupt:
            return  # which is as good a way to end it as any
        finally:
            receiver.close()
