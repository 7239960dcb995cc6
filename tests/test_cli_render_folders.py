"""``livebg render`` on several files: folders, parallel jobs, damaged files among good ones, and stopping."""

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.command import Workshop
from tests.media import Clip
from tests.photos import save_photo


@pytest.fixture
def mixed(shop: Workshop) -> Path:
    """``in``: a video, two photos with the same default cutout name, a subfolder with a video, and one damaged file in each."""
    folder = shop.folder / "in"
    (folder / "sub").mkdir(parents=True)
    (folder / "broken").mkdir()
    Clip(count=4).write(folder / "video.mp4")
    Clip(count=5).write(folder / "sub" / "video.mp4")
    save_photo(folder / "astro.jpg")
    save_photo(folder / "astro.png")
    (folder / "bad.mp4").write_text("no video")
    (folder / "broken" / "bad.jpg").write_text("no photo")
    return Path("in")


def test_a_folder_goes_on_after_a_bad_file_and_keeps_its_subfolders(shop: Workshop, mixed: Path) -> None:
    (shop.folder / "out").mkdir()
    before = shop.files()
    said = shop.render(str(mixed), "-o", "out", "--mode", "cutout")
    assert said.code == 3
    assert [line for line in said.err.splitlines() if line.startswith("livebg:")] == [
        "livebg: in/bad.mp4 cannot be read as a video. Check that it is a complete video file.",
        "livebg: in/broken/bad.jpg is not a readable photo. Use JPEG, PNG, WebP, TIFF, BMP or AVIF.",
    ]
    assert shop.files() - before == {
        "out/astro.jpg.cutout.png",
        "out/astro.png.cutout.png",
        "out/video.cutout.mov",
        "out/sub",
        "out/sub/video.cutout.mov",
    }


def test_a_second_run_over_a_folder_takes_the_same_inputs(shop: Workshop, mixed: Path) -> None:
    assert shop.render(str(mixed), "--mode", "cutout").code == 3
    first = shop.files()
    again = shop.render(str(mixed), "--mode", "cutout")
    assert again.code == 4
    assert again.err.count("already exists") == 4
    assert shop.render(str(mixed), "--mode", "cutout", "--overwrite").code == 3
    assert shop.files() == first


def test_the_exit_code_is_the_worst_of_all(shop: Workshop, clip: Path, photo: Path) -> None:
    (shop.folder / "bad.mp4").write_text("no video")
    (shop.folder / "photo.portrait.png").touch()
    assert shop.render(str(clip), "bad.mp4").code == 3
    said = shop.render(str(clip), "bad.mp4", str(photo), "--overwrite", "--end", "0.1")
    assert said.code == 3
    said = shop.render("bad.mp4", str(clip), str(photo))
    assert said.code == 4
    assert said.err.count("livebg:") == 2 + 1


def test_the_same_bytes_from_one_job_and_from_two(shop: Workshop, mixed: Path) -> None:
    results = []
    for jobs in ("1", "2"):
        out = shop.folder / f"out{jobs}"
        out.mkdir()
        assert shop.render(str(mixed), "-o", out.name, "--jobs", jobs).code == 3
        results.append({str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()})
    assert len(results[0]) == 4
    assert results[0] == results[1]


@pytest.mark.usefixtures("mixed")
def test_a_network_that_cannot_be_loaded_is_told_once(shop: Workshop) -> None:
    (shop.folder / "bad.onnx").write_text("no network")
    before = shop.files()
    for jobs in ("1", "3"):
        said = shop.render("in/sub", "in/astro.jpg", "in/astro.png", "in/video.mp4", "--model", "bad.onnx", "--jobs", jobs)
        assert (said.code, said.sentence) == (5, "bad.onnx is not an ONNX network or is damaged. Download or copy it again.")
    assert shop.files() == before


def test_json_of_a_folder_ends_with_the_sum(shop: Workshop, mixed: Path) -> None:
    said = shop.render(str(mixed), "--json")
    assert said.code == 3
    errors = [fact for fact in said.facts if fact["event"] == "error"]
    assert [(fact["input"], fact["exit_code"]) for fact in errors] == [("in/bad.mp4", 3), ("in/broken/bad.jpg", 3)]
    last = said.facts[-1]
    assert (last["event"], last["files"], last["frames"], last["model"]) == ("summary", 4, 1 + 1 + 4 + 5, "toy")
    assert {"seconds", "fps", "provider", "input_size"} < set(last)
    assert sorted(last["output"]) == [
        "in/astro.portrait.jpg",
        "in/astro.portrait.png",
        "in/sub/video.portrait.mp4",
        "in/video.portrait.mp4",
    ]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--codec", "h26x"), "This libav has no encoder 'h26x'. Choose for example libx264"),
        (("--codec", "aac"), "The codec 'aac' does not encode 8-bit 4:2:0 video"),
        (("--crf", "60"), "CRF 60 is outside the range 0 to 51 of the codec libx264"),
        (("--crf", "-1"), "Invalid value -1.0 for render.crf (from the command line). It should be greater than or equal to 0."),
        (("--preset", "fats"), "Invalid value 'fats' for render.preset (from the command line). It should be 'ultrafast'"),
        (("--input-size", "3x"), "Invalid value '3x' for model.input_size (from the command line). '3x' is not a size."),
        (("--codec", "prores_ks"), "The codec 'prores_ks' does not encode 8-bit 4:2:0 video"),
    ],
)
def test_options_that_cannot_be_are_told_once_before_anything_is_done(
    options: Sequence[str], words: str, shop: Workshop, mixed: Path
) -> None:
    before = shop.files()
    said = shop.render(str(mixed), *options)
    assert said.code == 2
    assert said.sentence.startswith(words)
    assert shop.files() == before


@pytest.mark.parametrize(
    ("number", "arguments", "sentence"),
    [
        (signal.SIGINT, ("in/long.mp4",), "Stopped. The unfinished in/long.portrait.mp4 was removed."),
        (signal.SIGTERM, ("in/long.mp4",), "Stopped. The unfinished in/long.portrait.mp4 was removed."),
        (signal.SIGINT, ("in", "--jobs", "2"), "Stopped after 0 of 3 files. Unfinished outputs were removed."),
    ],
)
def test_stopping_removes_what_is_unfinished_and_says_so(
    number: signal.Signals, arguments: Sequence[str], sentence: str, shop: Workshop
) -> None:
    (shop.folder / "in").mkdir()
    Clip(count=600, width=320, height=240).write(shop.folder / "in" / "long.mp4")
    for name in ("longer.mp4", "longest.mp4"):
        (shop.folder / "in" / name).write_bytes((shop.folder / "in" / "long.mp4").read_bytes())
    before = shop.files()
    # Handle Ctrl-C as in a terminal: a shell makes the background processes of a script ignore it.
    livebg = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from livebg.cli import main; main()"
    command = [sys.executable, "-c", livebg, "render", *arguments, "--model", "toy.onnx", "--preset", "slower", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line)["event"] == "progress":
                break
        during = shop.files()
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert any(name.endswith(".part") for name in during)
    assert (process.returncode, err) == (130, f"livebg: {sentence}\n")
    stopped = next(fact for fact in map(json.loads, out.splitlines()) if fact["event"] == "stopped")
    assert stopped == {"event": "stopped", "error": sentence, "exit_code": 130}
    assert shop.files() == before
