"""Commands and views that can show the room. Each creates its own :class:`~livebg.compositing.composite.Consent`.

A message on the control socket or the preview socket counts as consent. Only the user can send one: the sockets have mode 0600,
in a folder with mode 0700. The consent is created here when the message arrives, and ends with the next `livebg on` or with the
process. The consent of a preview covers only the picture that it requested and gives no access to a sink: the live session cannot
create a Consent itself.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from livebg.compositing.composite import Consent, passthrough
from livebg.daemon.commands import recording_options, state_after
from livebg.daemon.controller import SessionController
from livebg.daemon.preview_server import View
from livebg.daemon.server import Command
from livebg.imaging.frame import Composite
from livebg.live.frame_path import OutputFrame
from livebg.live.recorder import Recorder


def room_commands(controller: SessionController, recorder: Recorder) -> dict[str, Command]:
    """Return the commands ``off``, ``toggle`` and ``record_original``, which records the room too while the effect is off."""

    def record_original(arguments: Mapping[str, Any]) -> Any:
        return asdict(recorder.start(recording_options(arguments), Consent("livebg record --original")))

    return {
        "off": state_after(lambda: controller.off(Consent("livebg off"))),
        "record_original": record_original,
        "toggle": state_after(lambda: controller.toggle(Consent("livebg toggle"))),
    }


def room_views() -> dict[str, View]:
    """Return the view ``original``: the unprocessed frame, only for a preview that requests it by name."""

    def original(output: OutputFrame) -> Composite | None:
        captured = output.captured
        return None if captured is None else passthrough(captured.frame, Consent("livebg preview --original"))

    return {"original": original}
