"""What a preview may see of a picture that was sent, by name.

Every view is a :class:`~livebg.imaging.frame.Composite`, as everything is that leaves: so a preview sees no more than what
:mod:`livebg.compositing.composite` makes. The room as it is is not among these: that view takes the user's consent, which the
command line alone gives (``livebg.cli.consent``).
"""

from collections.abc import Callable

from livebg.compositing.composite import matte_picture
from livebg.imaging.frame import Composite
from livebg.live.preview_feed import Exhibit

View = Callable[[Exhibit], Composite | None]
"""Makes what is seen, in the thread of whoever looks; None where there is no such thing to see at the moment."""


def views() -> dict[str, View]:
    """``composite``, exactly what calls see, and ``alpha``, the matte that it was made with, as grey over 0..255."""
    return {"composite": lambda exhibit: exhibit.composite, "alpha": _alpha}


def _alpha(exhibit: Exhibit) -> Composite | None:
    shown = exhibit.shown
    if shown is None or shown.matte is None:
        return None
    return matte_picture(shown.frame, shown.matte)
