"""Two minutes of CPU time that simulate a quarter of an hour with faults of every kind."""

import os
import subprocess
import sys
from pathlib import Path

from tests.soak.figures import Figures

FRAMES, CHAPTER, REST = 16_000, 8_000, 600


def run_soak(state: Path) -> Figures:
    """Run a soak in a separate process and return its figures.

    The process has one heap: with a heap for each thread, the memory that they keep hides a leak, or resembles one.
    """
    lengths = ("--frames", FRAMES, "--chapter", CHAPTER, "--rest-every", REST)
    command = [sys.executable, "-m", "tests.soak", "--state", state, "--seed", 8, *lengths]
    subprocess.run([str(word) for word in command], env={**os.environ, "MALLOC_ARENA_MAX": "1"}, check=False)
    return Figures.read(state)


def test_soak_has_no_violations_and_no_growth(tmp_path: Path) -> None:
    figures = run_soak(tmp_path / "soak.json")
    assert figures.frames >= FRAMES
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
