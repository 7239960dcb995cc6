"""The commands that may show the room: they need the user's own word, and each gives it for itself.

The word is the message on the control socket. Nobody but the user can send one: the socket is the user's alone (0600), in a
folder that is the user's alone (0700). It is made here, when the message comes, and ends with the next `livebg on` or with the
process: the live session keeps no way to make one.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from livebg.live.control import Command
    from livebg.live.steering import Steering


def room_commands(steering: "Steering") -> "dict[str, Command]":
    """``off`` and ``toggle``."""
    from livebg.compositing import Consent
    from livebg.live.commands import held

    return {
        "off": held(lambda: steering.off(Consent("livebg off"))),
        "toggle": held(lambda: steering.toggle(Consent("livebg toggle"))),
    }
