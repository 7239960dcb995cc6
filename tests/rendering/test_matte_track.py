"""The track in the file of a stored matte: used unless the matte was changed."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from livebg.compositing.auto_framing import PersonBox
from livebg.compositing.effect_track import Sample, Track
from livebg.rendering.matte_track import stored_track, track_tags

TRACK = Track(
    Fraction(1, 600), 1.5, tuple(Sample(120 * number, PersonBox(9, 40, 20, 90, 160, 90), 7 * number) for number in range(3))
)


def write_matte(path: Path, levels: list[int], tags: dict[str, str] | None = None) -> Path:
    """A lossless gray video with a picture of each level."""
    with av.open(str(path), "w") as container:
        container.metadata.update(tags or {})
        stream = container.add_stream("ffv1", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = 64, 48, "gray"
        stream.codec_context.gop_size = 1
        for number, level in enumerate(levels):
            picture = av.VideoFrame.from_ndarray(np.full((48, 64), level, np.uint8), format="gray")
            picture.pts = number
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def tagged_matte(folder: Path, levels: list[int], changed: list[int] | None = None) -> Path:
    """A matte that a render wrote in two segments, and whose pictures were changed afterwards."""
    segments = [write_matte(folder / f"{part}.mkv", levels[part * 3 :][:3]) for part in range(2)]
    return write_matte(folder / "matte.mkv", changed or levels, track_tags(TRACK, segments))


def test_track_is_read_for_the_zoom_that_is_wanted(tmp_path: Path) -> None:
    path = tagged_matte(tmp_path, [0, 50, 100, 150, 200, 250])
    assert stored_track(path, 1.5) == TRACK
    closer = stored_track(path, 2.0)
    assert closer is not None
    assert (closer.zoom, closer.samples) == (2.0, TRACK.samples)


@pytest.mark.parametrize("changed", [[0, 50, 100, 150, 200, 251], [0, 50, 100, 150, 200]])
def test_track_of_a_corrected_matte_is_not_used(changed: list[int], tmp_path: Path) -> None:
    path = tagged_matte(tmp_path, [0, 50, 100, 150, 200, 250], changed)
    assert stored_track(path, 1.5) is None


@pytest.mark.parametrize("tag", ["", "{", "[]", '{"packets": 3, "track": {}}'])
def test_foreign_tags_are_ignored(tag: str, tmp_path: Path) -> None:
    assert stored_track(write_matte(tmp_path / "a.mkv", [0], {"LIVEBG_TRACK": tag} if tag else None), 1.5) is None


def test_two_hours_fit_into_the_tag(tmp_path: Path) -> None:
    chance = np.random.default_rng(1)
    boxes = chance.integers(0, 160, (36_000, 4)).tolist()
    long = Track(
        Fraction(1, 90_000),
        1.5,
        tuple(Sample(18_000 * k, PersonBox(box[0], box[1], box[2], box[3], 160, 90), box[0]) for k, box in enumerate(boxes)),
    )
    part = write_matte(tmp_path / "part.mkv", [1, 2])
    path = write_matte(tmp_path / "matte.mkv", [1, 2], track_tags(long, [part]))
    assert stored_track(path, 1.5) == long
