"""The views of a sent picture that previews can request, by name.

Every view is a :class:`~livebg.imaging.frame.Composite`, so a preview sees only what :mod:`livebg.compositing.composite` creates.
The original picture of the room is not included: it requires the user's consent, which only the command line can give
(``livebg.cli.consent``).
"""

from collections.abc import Callable

from livebg.compositing.composite import matte_picture
from livebg.imaging.frame import Composite
from livebg.live.preview_feed import Exhibit

View = Callable[[Exhibit], Composite | None]
"""Returns the view of a picture, or None if unavailable. Called in the thread of the client's connection."""


def views() -> dict[str, View]:
    """Returns ``composite``, exactly the sent picture, and ``alpha``, its matte as gray in 0..255."""
    return {"composite": lambda exhibit: exhibit.composite, "alpha": _alpha}


def _alpha(exhibit: Exhibit) -> Composite | None:
    shown = exhibit.shown
    if shown is None or shown.matte is None:
        return None
    return matte_picture(shown.frame, shown.matte)
