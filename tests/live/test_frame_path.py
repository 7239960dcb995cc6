"""Which frames may be shown, and to whom."""

from fractions import Fraction

import pytest

from livebg.compositing.composite import Consent
from livebg.imaging.frame import VideoFormat
from livebg.imaging.geometry import Geometry
from livebg.live.frame_path import CapturedFrame, FramePath, NewestFrame, OutputFrame
from livebg.pipeline import Passthrough
from tests.support.live_session import SIZE, ToyCamera, person_frame


def test_picture_of_earlier_viewers_is_not_shown_again() -> None:
    consent = Consent("a test")
    path, frame = FramePath(lambda: Passthrough(consent)), person_frame(0)
    path.demand.update(watched=True)
    captured = CapturedFrame(frame, ToyCamera(), Geometry(SIZE), path.demand.generation)
    shown = OutputFrame(Passthrough(consent).process(frame).composite, captured)
    assert path.may_show(shown)
    path.demand.update(watched=False)
    assert not path.may_show(shown)
    path.demand.update(watched=True)  # before the output thread has sent a placeholder
    assert not path.may_show(shown)
    assert path.may_show(OutputFrame(shown.composite)), "a placeholder"


class StoppedCamera(ToyCamera):
    """A camera for which no time passes."""

    def now(self) -> float:
        return 0.0


def test_output_repeats_composite_for_a_moment_and_then_shows_placeholder() -> None:
    consent = Consent("a test")
    path, frame = FramePath(lambda: Passthrough(consent)), person_frame(0)
    newest = NewestFrame(path, 0, VideoFormat(*SIZE, Fraction(30)))
    path.demand.update(watched=True)
    captured = CapturedFrame(frame, StoppedCamera(), Geometry(SIZE), path.demand.generation)
    shown = OutputFrame(Passthrough(consent).process(frame).composite, captured)
    assert newest.update(None, 100) is newest.placeholder
    assert newest.update(shown, 100) is shown
    assert newest.update(None, 100.2) is shown
    assert newest.seconds_left(100.2) == pytest.approx(0.05)
    assert newest.update(None, 100.25) is newest.placeholder
    assert newest.update(None, 100.2) is newest.placeholder, "a composite that was replaced does not return"
    path.demand.update(watched=False)
    assert newest.update(shown, 101) is newest.placeholder
