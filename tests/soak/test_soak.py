"""Two minutes of CPU time that simulate a quarter of an hour with faults of every kind."""

from pathlib import Path

from tests.soak.chapter import SoakFiles, soak
from tests.soak.figures import Figures

FRAMES, CHAPTER, REST = 16_000, 8_000, 600


def test_soak_has_no_violations_and_no_growth(tmp_path: Path) -> None:
    figures = Figures(seed=8)
    files = SoakFiles(tmp_path)
    while figures.frames < FRAMES:
        soak(files, figures, CHAPTER, REST)
    assert figures.violations == []
    assert figures.trends() == []
    assert figures.longest_silence <= 0.5
    assert figures.rooms_allowed > 100, "the observer has never seen the room, although the user asked for it"
    assert figures.rooms_recorded > 0, "no recording has ever shown the room, although the user asked for it"
    assert len(figures.samples) > FRAMES / REST / 2, "a deed and a rest have frames of their own, but not so many"
    assert figures.acts["second output hangs"] > 20, "the other output, whose silence is measured above, is never delayed by it"
    assert figures.acts["second output fails"] > 20
    assert {
        "network hangs",
        "network slow",
        "break_camera",
        "break_output",
        "previews",
        "record",
        "garbage",
    } <= figures.acts.keys()
