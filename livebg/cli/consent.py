"""The commands and views that may show the room: they need the user's own word, and each gives it for itself.

The word is the message on the control socket, or on the preview socket. Nobody but the user can send one: the sockets are the
user's alone (0600), in a folder that is the user's alone (0700). It is made here, when the message comes, and ends with the next
`livebg on` or with the process; a preview's ends with the picture that it asked for, and opens no way to a sink: the live session
keeps no way to make one.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from livebg.daemon.controller import Steering
    from livebg.daemon.server import Command
    from livebg.daemon.views import View
    from livebg.imaging.frame import Composite
    from livebg.live.preview_feed import Exhibit


def room_commands(steering: "Steering") -> "dict[str, Command]":
    """``off`` and ``toggle``."""
    from livebg.compositing.composite import Consent
    from livebg.daemon.commands import held

    return {
        "off": held(lambda: steering.off(Consent("livebg off"))),
        "toggle": held(lambda: steering.toggle(Consent("livebg toggle"))),
    }


def room_views() -> "dict[str, View]":
    """``original``: the frame that the picture was made from, for the preview that asked for it by name."""
    from livebg.compositing.composite import Consent, passthrough

    def original(exhibit: "Exhibit") -> "Composite | None":
        shown = exhibit.shown
        return None if shown is None else passthrough(shown.frame, Consent("livebg preview --original"))

    return {"original": original}
