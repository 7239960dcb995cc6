"""``livebg score``."""

from pathlib import Path

import pytest

from tests.support.cli_runner import Workshop


@pytest.fixture
def made(shop: Workshop, clip: Path) -> Workshop:
    """``matte.mkv`` and ``cutout.mov`` of ``video.mp4``."""
    for mode, name in (("matte", "matte.mkv"), ("cutout", "cutout.mov")):
        assert shop.render(str(clip), "--mode", mode, "-o", name).code == 0
    return shop


def test_a_cutout_and_a_matte_of_one_clip_are_alike(made: Workshop) -> None:
    said = made.livebg("score", "cutout.mov", "--truth", "matte.mkv", "--json")
    assert (said.code, said.err) == (0, "")
    (facts,) = said.facts
    assert list(facts) == ["result", "with_truth"]
    assert list(facts["with_truth"]) == ["mad", "mse", "grad", "conn", "iou", "boundary_f", "dtssd", "edge_lag"]
    assert facts["with_truth"]["mad"] == {"mean": 0, "standard_error": 0, "low": 0, "high": 0, "count": 15}
    assert facts["with_truth"]["dtssd"]["count"] == 14


def test_without_truth_the_picture_is_needed(made: Workshop) -> None:
    assert "--picture" in made.livebg("score", "matte.mkv").sentence
    said = made.livebg("score", "matte.mkv", "--picture", "video.mp4", "--json")
    assert said.code == 0
    (facts,) = said.facts
    assert list(facts["without_truth"]) == ["warp_error", "still_change", "flips", "dropouts", "edge_lag"]
    assert facts["without_truth"]["dropouts"]["count"] == 15


def test_a_table_for_people(made: Workshop) -> None:
    said = made.livebg("score", "matte.mkv", "--truth", "cutout.mov", "--picture", "video.mp4")
    assert (said.code, said.err) == (0, "")
    for words in (
        "matte.mkv compared with the reference",
        "MAD x1e3",
        "dtSSD x1e2",
        "matte.mkv without a reference",
        "Warp error x1e3",
        "Edge lag",
    ):
        assert words in said.out
    assert "a matte that lags also looks stable" in said.out
    assert max(map(len, said.out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["gone.mkv", "--truth", "matte.mkv"], 3, "gone.mkv does not exist"),
        (["video.mp4", "--truth", "toy.onnx"], 3, "toy.onnx cannot be read"),
        (["photo.png", "--truth", "matte.mkv"], 2, "photo.png"),
        (["matte.mkv"], 2, "--truth"),
    ],
)
def test_what_goes_wrong_is_a_sentence(made: Workshop, photo: Path, arguments: list[str], code: int, words: str) -> None:
    assert photo.name == "photo.png"
    said = made.livebg("score", *arguments)
    assert said.code == code
    assert words in said.sentence
