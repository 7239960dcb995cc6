"""The views of a sent picture that previews can request, by name.

Every view is a :class:`~livebg.imaging.frame.Composite`, so a preview sees only what :mod:`livebg.compositing.composite` creates.
The original picture of the room is not included: it requires the user's consent, which only the command line can give
(``livebg.cli.consent``).
"""

from collections.abc import Callable

from livebg.compositing.composite import render_matte
from livebg.imaging.frame import Composite
from livebg.live.frame_path import OutputFrame

View = Callable[[OutputFrame], Composite | None]
"""Returns the view of a picture, or None if unavailable. Called in the thread of the client's connection."""


def views() -> dict[str, View]:
    """Returns ``composite``, exactly the sent picture, and ``alpha``, its matte as gray in 0..255."""
    return {"composite": lambda exhibit: exhibit.composite, "alpha": _alpha}


def _alpha(exhibit: OutputFrame) -> Composite | None:
    if exhibit.captured is None or exhibit.matte is None:
        return None
    return render_matte(exhibit.captured.frame, exhibit.matte)
