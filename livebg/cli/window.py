"""``livebg window``."""

from livebg.cli.options import VerboseOption
from livebg.cli.tray import notify_desktop
from livebg.errors import LivebgError
from livebg.platform.user_paths import user_folder


def window(_verbose: VerboseOption = False) -> None:
    """Open a window with the picture and the settings.

    Does not start livebg; a button in it does. Needs GTK 4 and libadwaita from the system's packages. Exit code 8 without them or
    without a display.
    """
    from livebg.daemon.runtime_dir import runtime_dir
    from livebg.setup.target import own_command
    from livebg.window.toolkit import load_toolkit

    try:
        load_toolkit()
    except LivebgError as error:
        notify_desktop(str(error))
        raise
    from livebg.window.app import run_window

    run_window(own_command(), (user_folder("state") or runtime_dir()) / "run.log")
