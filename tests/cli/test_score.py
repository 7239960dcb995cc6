"""``livebg score``."""

from pathlib import Path

import pytest

from tests.support.cli_runner import LivebgCli


@pytest.fixture
def rendered(cli: LivebgCli, clip: Path) -> LivebgCli:
    """``matte.mkv`` and ``cutout.mov`` of ``video.mp4``."""
    for mode, name in (("matte", "matte.mkv"), ("cutout", "cutout.mov")):
        assert cli.render(str(clip), "--mode", mode, "-o", name).code == 0
    return cli


def test_cutout_equals_matte_of_same_clip(rendered: LivebgCli) -> None:
    result = rendered.livebg("score", "cutout.mov", "--truth", "matte.mkv", "--json")
    assert (result.code, result.err) == (0, "")
    (facts,) = result.json_lines
    assert list(facts) == ["result", "with_truth"]
    assert list(facts["with_truth"]) == ["mad", "mse", "grad", "conn", "iou", "boundary_f", "dtssd", "edge_lag"]
    assert facts["with_truth"]["mad"] == {"mean": 0, "standard_error": 0, "low": 0, "high": 0, "count": 15}
    assert facts["with_truth"]["dtssd"]["count"] == 14


def test_picture_is_required_without_reference(rendered: LivebgCli) -> None:
    assert "--picture" in rendered.livebg("score", "matte.mkv").error_line
    result = rendered.livebg("score", "matte.mkv", "--picture", "video.mp4", "--json")
    assert result.code == 0
    (facts,) = result.json_lines
    assert list(facts["without_truth"]) == ["warp_error", "still_change", "flips", "dropouts", "edge_lag"]
    assert facts["without_truth"]["dropouts"]["count"] == 15


def test_table_fits_80_columns(rendered: LivebgCli) -> None:
    result = rendered.livebg("score", "matte.mkv", "--truth", "cutout.mov", "--picture", "video.mp4")
    assert (result.code, result.err) == (0, "")
    for words in (
        "matte.mkv compared with the reference",
        "MAD x1e3",
        "dtSSD x1e2",
        "matte.mkv without a reference",
        "Warp error x1e3",
        "Edge lag",
    ):
        assert words in result.out
    assert "a matte that lags also looks stable" in result.out
    assert max(map(len, result.out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["gone.mkv", "--truth", "matte.mkv"], 3, "gone.mkv does not exist"),
        (["video.mp4", "--truth", "toy.onnx"], 3, "toy.onnx cannot be read"),
        (["photo.png", "--truth", "matte.mkv"], 2, "photo.png"),
        (["matte.mkv"], 2, "--truth"),
    ],
)
def test_invalid_arguments_fail_with_clear_message(
    rendered: LivebgCli, photo: Path, arguments: list[str], code: int, words: str
) -> None:
    assert photo.name == "photo.png"
    result = rendered.livebg("score", *arguments)
    assert result.code == code
    assert words in result.error_line
