"""Bad input: one clear sentence, the right exit code, nothing left behind."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import onnx
import pytest
from PIL import Image

from livebg.jobs import MODES
from tests.command import Workshop
from tests.media import Clip, write_sound
from tests.toy_network import ToyNetwork

UNREADABLE = "cannot be read as a video: it is another kind of file, damaged, or was never written to its end"
NO_PHOTO = "is not a photo that can be read: use JPEG, PNG, WebP, TIFF, BMP or AVIF"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Workshop]:
    """A place to work in, where no library says anything past livebg."""
    yield Workshop(tmp_path, monkeypatch)
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def clip(shop: Workshop) -> Path:
    return Clip(count=30, audio="aac").write(shop.folder / "video.mp4").relative_to(shop.folder)


@pytest.fixture
def photo(shop: Workshop) -> Path:
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (40, 60, 3), np.uint8)).save(shop.folder / "photo.png")
    return Path("photo.png")


def refused(shop: Workshop, code: int, *arguments: str) -> str:
    """Render, which must fail with the code and leave the folder as it was; the sentence that is said."""
    before = shop.files()
    said = shop.render(*arguments)
    assert said.code == code, said.err
    assert shop.files() == before
    return said.sentence


def text(path: Path) -> None:
    path.write_text("this is no video, and no photo either\n" * 100)


def noise(path: Path) -> None:
    path.write_bytes(np.random.default_rng(7).bytes(20_000))


def empty(path: Path) -> None:
    path.touch()


def photo_by_name_only(path: Path) -> None:
    write_sound(path.with_suffix(".m4a"), "aac").rename(path)


@pytest.mark.parametrize(
    ("make", "name", "sentence"),
    [
        (text, "talk.mp4", UNREADABLE),
        (text, "talk.mkv", UNREADABLE),
        (text, "talk.txt", UNREADABLE),
        (text, "talk", UNREADABLE),
        (text, "talk.gif", UNREADABLE),
        (noise, "talk.mp4", UNREADABLE),
        (noise, "talk.ts", UNREADABLE),
        (noise, "talk.avi", UNREADABLE),
        (empty, "talk.mp4", "is empty: give a video file that was written to its end"),
        (text, "photo.jpg", NO_PHOTO),
        (text, "photo.heic", NO_PHOTO),
        (noise, "photo.png", NO_PHOTO),
        (noise, "photo.tif", NO_PHOTO),
        (empty, "photo.webp", NO_PHOTO),
        (photo_by_name_only, "photo.avif", NO_PHOTO),
    ],
)
def test_what_is_neither_video_nor_photo(make: Callable[[Path], None], name: str, sentence: str, shop: Workshop) -> None:
    make(shop.folder / name)
    assert refused(shop, 3, name) == f"{name} {sentence}"


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_refuses_alike(mode: str, shop: Workshop) -> None:
    text(shop.folder / "talk.mp4")
    assert refused(shop, 3, "talk.mp4", "--mode", mode) == f"talk.mp4 {UNREADABLE}"


@pytest.mark.parametrize("ending", ["mp4", "mkv", "avi"])
def test_a_video_cut_short_says_how_much_is_there(ending: str, shop: Workshop) -> None:
    options = {"movflags": "faststart"} if ending == "mp4" else {}
    codec = "mpeg4" if ending == "avi" else "libx264"
    path = Clip(count=100, codec=codec, container_options=options).write(shop.folder / f"talk.{ending}")
    os.truncate(path, path.stat().st_size * 2 // 3)
    sentence = refused(shop, 3, path.name)
    assert sentence.startswith(f"talk.{ending} is cut short, it breaks off at ")
    assert "copy it again, or render what is there with --end " in sentence
    there = sentence.rpartition("--end ")[2].rstrip(".")
    assert shop.render(path.name, "--end", there).code == 0


def test_a_video_without_its_index(shop: Workshop, clip: Path) -> None:
    os.truncate(clip, clip.stat().st_size // 2)
    assert refused(shop, 3, str(clip)) == f"video.mp4 {UNREADABLE}"


def test_a_photo_cut_short(shop: Workshop) -> None:
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (40, 60, 3), np.uint8)).save("photo.jpg")
    os.truncate("photo.jpg", Path("photo.jpg").stat().st_size // 2)
    assert refused(shop, 3, "photo.jpg") == "photo.jpg is damaged or cut short: get it again from where it came"


@pytest.mark.parametrize(
    ("ending", "sentence"),
    [
        ("mkv", f"talk.mkv {UNREADABLE}"),
        ("webm", f"talk.webm {UNREADABLE}"),
        ("mp4", "talk.mp4 has no video stream, it holds no stream that livebg knows: give a file with moving pictures"),
        ("mov", "talk.mov has no video stream, it holds no stream that livebg knows: give a file with moving pictures"),
        ("avi", "no picture in talk.avi decodes: the file is damaged, or its end is all that was kept"),
    ],
)
def test_a_video_without_frames(ending: str, sentence: str, shop: Workshop) -> None:
    with av.open(f"talk.{ending}", "w") as container:
        stream = container.add_stream("libvpx-vp9" if ending == "webm" else "mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()
    assert refused(shop, 3, f"talk.{ending}") == sentence


def test_sound_alone(shop: Workshop) -> None:
    write_sound(shop.folder / "talk.mp4", "aac")
    assert refused(shop, 3, "talk.mp4") == "talk.mp4 has no video stream, it holds only sound: give a file with moving pictures"


def test_neither_file_nor_folder(shop: Workshop) -> None:
    os.mkfifo("pipe.mp4")
    assert refused(shop, 3, "pipe.mp4") == "pipe.mp4 is not a regular file: give the path of a video file"
    Path("link.mp4").symlink_to("nowhere.mp4")
    assert refused(shop, 3, "link.mp4") == "link.mp4 does not exist: name a video, a photo or a folder of either"


def as_anybody() -> tuple[str, ...]:
    """The command that starts another without root's right to read and write everything."""
    if os.geteuid() != 0:
        return ()
    if shutil.which("setpriv") is None:
        pytest.skip("root may read and write everything, and there is no setpriv to give that up")
    return ("setpriv", "--inh-caps=-all", "--bounding-set=-dac_override,-dac_read_search")


def test_a_file_that_may_not_be_read(shop: Workshop, clip: Path, photo: Path) -> None:
    prefix = as_anybody()
    for path in (clip, photo):
        path.chmod(0)
    before = shop.files()
    said = shop.process("render", str(clip), str(photo), "--model", "toy.onnx", prefix=prefix)
    assert (said.code, said.out) == (3, "")
    assert said.err.splitlines() == [
        "livebg: video.mp4 may not be read by this user: change the permissions of the file",
        "livebg: photo.png may not be read by this user: change the permissions of the file or its folder",
    ]
    assert shop.files() == before


def test_a_folder_that_may_not_be_written(shop: Workshop, clip: Path, photo: Path) -> None:
    prefix = as_anybody()
    folder = shop.folder / "out"
    folder.mkdir()
    folder.chmod(0o555)
    said = shop.process("render", str(clip), str(photo), "-o", "out", "--model", "toy.onnx", prefix=prefix)
    assert (said.code, said.out) == (4, "")
    advice = "permission denied; choose a folder that you may write to"
    assert said.err.splitlines() == [
        f"livebg: cannot write out/video.portrait.mp4: {advice}",
        f"livebg: cannot write out/photo.portrait.png: {advice}",
    ]
    assert list(folder.iterdir()) == []


def test_a_folder_that_may_not_be_read(shop: Workshop) -> None:
    prefix = as_anybody()
    folder = shop.folder / "in" / "shut"
    folder.mkdir(parents=True)
    Image.new("RGB", (20, 20)).save(shop.folder / "in" / "photo.png")
    folder.chmod(0)
    said = shop.process("render", "in", "--model", "toy.onnx", prefix=prefix)
    assert said.code == 3
    assert said.sentence == "the folder in/shut cannot be read (Permission denied): change its permissions or leave it out"


def test_a_subfolder_that_cannot_be_made(shop: Workshop) -> None:
    (shop.folder / "in" / "sub" / "deep").mkdir(parents=True)
    (shop.folder / "out").mkdir()
    (shop.folder / "out" / "sub").write_text("in the way")
    Image.new("RGB", (20, 20)).save(shop.folder / "in" / "sub" / "photo.png")
    sentence = refused(shop, 4, "in", "-o", "out")
    assert sentence.startswith("cannot write out/sub/photo.portrait.png: out/sub is not a folder")
    (shop.folder / "in" / "sub" / "photo.png").rename(shop.folder / "in" / "sub" / "deep" / "photo.png")
    assert refused(shop, 4, "in", "-o", "out").startswith("cannot write out/sub/deep/photo.portrait.png: ")


@pytest.mark.skipif(shutil.which("prlimit") is None, reason="needs prlimit")
def test_a_full_disk(shop: Workshop) -> None:
    Clip(count=40, width=320, height=240).write(shop.folder / "video.mp4")
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (200, 300, 3), np.uint8)).save(shop.folder / "photo.png")
    before = shop.files()
    for name in ("video.mp4", "photo.png"):
        arguments = ("render", name, "--model", "toy.onnx", "--crf", "0", "--mode", "none")
        said = shop.process(*arguments, prefix=("prlimit", "--fsize=4096"))
        assert said.code == 4
        output = name.replace(".", ".none.")
        assert said.sentence == f"cannot write {output}: file too large; choose a folder or a limit that allows larger files"
        assert shop.files() == before


@pytest.mark.parametrize("mode", MODES)
def test_eight_by_eight_pixels(mode: str, shop: Workshop) -> None:
    Image.new("RGB", (8, 8), (200, 200, 200)).save(shop.folder / "photo.png")
    Clip(count=3, width=8, height=8).write(shop.folder / "video.mp4")
    said = shop.render("photo.png", "video.mp4", "--mode", mode, "--json")
    assert (said.code, said.err) == (0, "")
    assert said.facts[-1]["frames"] == 4
    with Image.open(f"photo.{mode}.png") as image:
        assert image.size == (8, 8)
    with av.open(f"video.{mode}.mov" if mode == "cutout" else f"video.{mode}.mp4") as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (8, 8)


def test_eight_thousand_pixels(shop: Workshop) -> None:
    picture = np.full((4320, 7680, 3), 230, np.uint8)
    picture[:, :3000] = 20
    Image.fromarray(picture).save(shop.folder / "photo.jpg")
    Clip(count=1, width=7680, height=4320, options={"preset": "ultrafast"}).write(shop.folder / "video.mp4")
    said = shop.render("photo.jpg", "video.mp4", "--mode", "greenscreen", "--preset", "ultrafast", "--json")
    assert (said.code, said.err) == (0, "")
    assert said.facts[-1]["frames"] == 2
    with Image.open("photo.greenscreen.jpg") as image:
        assert image.size == (7680, 4320)
        assert np.abs(np.array(image.getpixel((100, 4000))) - (0, 255, 0)).max() <= 3
        assert np.abs(np.array(image.getpixel((7000, 100))) - 230).max() <= 3
    with av.open("video.greenscreen.mp4") as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (7680, 4320)


def halved(path: Path) -> None:
    ToyNetwork().write(path)
    os.truncate(path, path.stat().st_size // 2)


def two_numbers(path: Path) -> None:
    """A network of another kind altogether."""
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["a"], ["b"])], "x", [value("a", 1, [2])], [value("b", 1, [2])]
    )
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8), str(path))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (text, "net.onnx is no ONNX network, or damaged: download or copy it again"),
        (noise, "net.onnx is no ONNX network, or damaged: download or copy it again"),
        (halved, "net.onnx is no ONNX network, or damaged: download or copy it again"),
        (empty, "the model file net.onnx is empty: download or copy it again"),
        (two_numbers, "net.onnx takes an input of 2 where a U²-Net takes 1x3xHxW or 1x4xHxW: choose another network"),
        (
            ToyNetwork(inputs=2).write,
            "net.onnx takes 2 inputs (picture, extra1) where a U²-Net takes one: choose another network",
        ),
        (ToyNetwork(channels=5).write, "net.onnx takes an input of 1x5x"),
        (ToyNetwork(rank=3).write, "net.onnx takes an input of 3x"),
        (ToyNetwork(batch=2).write, "net.onnx takes an input of 2x3x"),
        (
            ToyNetwork(dtype=onnx.TensorProto.DOUBLE).write,
            "net.onnx takes tensor(double) where livebg feeds tensor(float): export",
        ),
        (ToyNetwork(shrink=True).write, "net.onnx gives float32 1x1x"),
        (
            ToyNetwork(activation="Sqrt").write,
            "net.onnx gives numbers that are not finite (NaN or infinity): choose another network",
        ),
        (Path.mkdir, "the model file net.onnx is a folder: give the path of an .onnx file, or one of u2netp"),
    ],
)
def test_a_model_that_is_none(make: Callable[[Path], object], sentence: str, shop: Workshop, clip: Path, photo: Path) -> None:
    make(shop.folder / "net.onnx")
    for name in (clip, photo):
        assert refused(shop, 5, str(name), "--model", "net.onnx").startswith(sentence)


def test_a_model_that_runs_at_one_size_alone(shop: Workshop, photo: Path) -> None:
    ToyNetwork(size=(64, 48), rigid=True).write(shop.folder / "net.onnx")
    sentence = refused(shop, 5, str(photo), "--model", "net.onnx", "--input-size", "128x96")
    assert sentence == "net.onnx runs at 64x48 only, not at 128x96: choose 64x48, or no input size"
    assert shop.render(str(photo), "--model", "net.onnx").code == 0


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--model", "u2netq"), "no model is called 'u2netq': the nearest is u2netp; or give the path of an .onnx file"),
        (
            ("--model", "u2net_human_seg"),
            "the model u2net_human_seg is not on this machine: run `livebg models pull u2net_human_",
        ),
        (("--provider", "cuda"), ""),
        (("--provider", "zebra"), ""),
    ],
)
def test_a_model_or_provider_that_is_not_there(options: tuple[str, str], sentence: str, shop: Workshop, photo: Path) -> None:
    if options[1] == "cuda":
        onnxruntime = pytest.importorskip("onnxruntime")
        if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
            pytest.skip("this machine has CUDA")
    said = refused(shop, 5, str(photo), *options)
    assert said.startswith(sentence)
    assert options[1] in said.lower()


def test_who_reads_the_output_may_go_away(shop: Workshop, clip: Path) -> None:
    prefix = ("bash", "-o", "pipefail", "-c", '"$@" | true', "bash")
    said = shop.process("render", str(clip), "--model", "toy.onnx", "--json", prefix=prefix)
    assert (said.code, said.out, said.err) == (0, "", "")
    assert shop.files() == {"video.mp4", "video.portrait.mp4"}
