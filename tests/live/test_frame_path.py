"""Which frames may be shown, and to whom."""

from livebg.compositing.composite import Consent
from livebg.imaging.geometry import Geometry
from livebg.live.frame_path import CapturedFrame, FramePath, OutputFrame
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
