"""Several outputs of one render: their options, their files, and their pictures from one matte."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from livebg.compositing.composite import Consent, plate
from livebg.config.loading import load_settings
from livebg.errors import ConfigError, LivebgError, SinkError
from livebg.factory import build_compositor, build_pipeline
from livebg.imaging.frame import Matte
from livebg.rendering.extra_outputs import ExtraOutput, OutputKind, kept_mattes, parse_also
from livebg.rendering.jobs import Job
from livebg.rendering.outputs import build_outputs, check_extras, output_encoding, with_extras
from livebg.sinks.codecs import Content, plan_encoder
from tests.compositing.test_effect_settings import head_and_shoulders
from tests.support.pipeline_fakes import StillSegmenter, noise_frame

CONSENT = Consent("a test")
SIZE = (160, 90)
MATTE, CUTOUT, PLATE, STORED = OutputKind.MATTE, OutputKind.CUTOUT, OutputKind.PLATE, OutputKind.STORED_MATTE


def extras(folder: Path) -> tuple[ExtraOutput, ...]:
    """One of each kind."""
    also = parse_also([f"matte={folder / 'm.mkv'}", f"cutout={folder / 'c.webm'}", f"plate={folder / 'p.mov'}"], CONSENT)
    return (*also, *kept_mattes([folder / "out.mp4"]))


def test_also_names_kinds_and_files() -> None:
    parsed = parse_also(["matte=a.mkv", "plate=b=c.mov"], CONSENT)
    assert parsed == (ExtraOutput(MATTE, Path("a.mkv")), ExtraOutput(PLATE, Path("b=c.mov"), CONSENT))
    assert parse_also([], CONSENT) == ()


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["a.mkv"], "Invalid --also a.mkv: it has no kind of output. Write KIND=FILE, where KIND is matte, cutout or plate."),
        (["alpha=a.mkv"], "Invalid --also alpha=a.mkv: 'alpha' is no kind of output. Write KIND=FILE, where KIND is"),
        (["video=a.mkv"], "'video' is no kind of output"),
        (["stored-matte=a.mkv"], "'stored-matte' is no kind of output"),
        (["=a.mkv"], "'' is no kind of output"),
        (["Plate=a.mov"], "'Plate' is no kind of output"),
        (["plate="], "Invalid --also plate=: it names no file. Write for example --also plate=OUT.mov."),
        (["matte=a.mkv", "matte=b.mkv"], "--also matte is given twice. Leave one of them out."),
    ],
)
def test_wrong_also_is_refused(texts: Sequence[str], message: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        parse_also(texts, CONSENT)
    assert message in str(refusal.value)


def test_plate_needs_consent() -> None:
    with pytest.raises(TypeError, match="only with the user's consent"):
        ExtraOutput(PLATE, Path("a.mov"))


def test_no_setting_requests_a_plate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It shows the room: neither a file nor the environment can do that."""
    monkeypatch.setenv("LIVEBG_EFFECT__MODE", "plate")
    with pytest.raises(LivebgError, match="plate"):
        load_settings({})
    monkeypatch.delenv("LIVEBG_EFFECT__MODE")
    config = tmp_path / "config.toml"
    for text in ("[render]\nalso = ['plate=room.mov']", "[effect]\nmode = 'plate'"):
        config.write_text(text)
        with pytest.raises(LivebgError, match=r"render\.also|effect\.mode|plate"):
            load_settings({}, config)


def test_kept_matte_is_beside_its_video() -> None:
    names = ["a/talk.portrait.mp4", "a/talk.portrait.mov", "b/talk.portrait.mov"]
    assert [str(each.path) for each in kept_mattes([Path(name) for name in names])] == [
        "a/talk.portrait.mp4.matte.mkv",
        "a/talk.portrait.mov.matte.mkv",
        "b/talk.portrait.matte.mkv",
    ]


def test_extras_belong_to_videos() -> None:
    video, other, photo = (Job(Path(f"{name}"), Path(f"out.{name}")) for name in ("a.mp4", "b.mp4", "c.jpg"))
    also = parse_also(["matte=m.mkv"], CONSENT)
    assert [job.extras for job in with_extras([video], also, keep_matte=False)] == [also]
    (kept,) = with_extras([video], also, keep_matte=True)
    assert [each.kind for each in kept.extras] == [MATTE, STORED]
    mixed = with_extras([video, photo, other], (), keep_matte=True)
    assert [[each.path.name for each in job.extras] for job in mixed] == [["out.a.matte.mkv"], [], ["out.b.matte.mkv"]]
    for jobs, message in (([video, other], "but there are 2 inputs"), ([photo], "but c.jpg is a photo")):
        with pytest.raises(ConfigError, match=message):
            with_extras(jobs, also, keep_matte=False)
    with pytest.raises(ConfigError, match="--keep-matte needs a video"):
        with_extras([photo], (), keep_matte=True)


def check(folder: Path, *texts: str, overwrite: bool = False, matte: Path | None = None) -> None:
    """Check ``in.mp4`` -> ``out.mp4`` with further outputs in the folder."""
    (folder / "in.mp4").touch()
    also = parse_also([text.replace("=", f"={folder}/") for text in texts], CONSENT)
    job = Job(folder / "in.mp4", folder / "out.mp4", extras=also)
    check_extras(job, load_settings({}), overwrite=overwrite, matte=matte)


def test_possible_outputs_are_accepted_and_leave_nothing(tmp_path: Path) -> None:
    check(tmp_path, "matte=m.mkv", "cutout=c.webm", "plate=p.mov")
    check(tmp_path, "matte=m.mp4", "cutout=c.MOV", "plate=p.webm", matte=tmp_path / "stored.mkv")
    (tmp_path / "m.mkv").touch()
    check(tmp_path, "matte=m.mkv", overwrite=True)
    assert {path.name for path in tmp_path.iterdir()} == {"in.mp4", "m.mkv"}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["cutout=c.mp4"], "A .mp4 file cannot hold the transparency of a cutout. Name it .webm (VP9) or .mov (ProRes 4444)."),
        (["plate=p.mkv"], "A .mkv file cannot hold the transparency of a plate. Name it .webm (VP9) or .mov"),
        (["plate=p"], "p, which has no extension, cannot hold the transparency of a plate."),
        (["matte=m.avi"], "has the extension .avi, but a video needs one of"),
        (["matte=out.mp4"], "out.mp4 would hold both the video and --also matte. Name two different files."),
        (["cutout=a.mov", "plate=a.mov"], "a.mov would hold both --also cutout and --also plate. Name two different files."),
        (["cutout=a.mov", "plate=../{name}/a.mov"], "would hold both --also cutout and --also plate"),
        (["matte=old.mkv"], "old.mkv already exists. Choose another output, or use --overwrite."),
        (["matte=in.mp4"], "in.mp4 already exists"),
        (["matte=none/m.mkv"], "none does not exist. Create the folder first"),
        (["matte=stored.mkv"], "stored.mkv would hold both the matte of --matte and --also matte"),
    ],
)
def test_impossible_outputs_are_refused(texts: Sequence[str], message: str, tmp_path: Path) -> None:
    (tmp_path / "old.mkv").touch()
    with pytest.raises((ConfigError, SinkError)) as refusal:
        check(tmp_path, *(text.format(name=tmp_path.name) for text in texts), matte=tmp_path / "stored.mkv")
    assert message in str(refusal.value)
    assert refusal.value.hint


def test_inputs_are_never_overwritten(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="is the input itself"):
        check(tmp_path, "matte=in.mp4", overwrite=True)
    (tmp_path / "stored.mkv").touch()
    (tmp_path / "link.mkv").symlink_to("stored.mkv")
    with pytest.raises(ConfigError, match="both the matte of --matte and --also matte"):
        check(tmp_path, "matte=link.mkv", overwrite=True, matte=tmp_path / "stored.mkv")
    with pytest.raises(ConfigError, match="is both the matte and the output"):
        check(tmp_path, overwrite=True, matte=tmp_path / "out.mp4")


def test_encoding_fits_the_kind() -> None:
    settings = load_settings({"render.codec": "libx265", "render.crf": 30, "render.preset": "fast", "effect.mode": "portrait"})
    video = output_encoding(settings, OutputKind.VIDEO)
    assert (video.codec, video.content) == ("libx265", Content.PICTURE)
    stored = plan_encoder(output_encoding(settings, STORED), Path("a.matte.mkv"))
    assert (stored.container, stored.codec, stored.pix_fmt) == ("matroska", "ffv1", "gray")
    assert (stored.options["g"], stored.options["slicecrc"]) == ("1", "1")
    for kind, name, codec in ((MATTE, "a.mp4", "libx264"), (CUTOUT, "a.webm", "libvpx-vp9"), (PLATE, "a.mov", "prores_ks")):
        encoding = output_encoding(settings, kind)
        assert encoding.preset == "fast"
        assert plan_encoder(encoding, Path(name)).codec == codec
    assert plan_encoder(output_encoding(settings, PLATE), Path("a.webm")).options["crf"] == "30"


MODES = ["portrait", "background", "greenscreen", "cutout", "matte"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("edge", [-0.8, 0.0, 0.7])
def test_outputs_are_those_of_separate_runs(mode: str, edge: float, tmp_path: Path) -> None:
    """Each output has the bytes of a run in its own mode, also with framing and light, which depend on the frames before."""
    values = {"effect.edge": edge, "effect.framing": 1.7, "effect.light": 0.2, "effect.light_auto": True}
    settings = {kind: load_settings({**values, "effect.mode": kind}) for kind in (mode, "matte", "cutout")}
    segmenter = StillSegmenter(head_and_shoulders)
    pipeline = build_pipeline(settings[mode], segmenter)
    alone = {kind: build_pipeline(each, segmenter) for kind, each in settings.items()}
    outputs = build_outputs(settings[mode], build_compositor(settings[mode]), extras(tmp_path))
    shown_alone = build_compositor(settings[mode])
    for number in range(4):
        frame = noise_frame(number, SIZE, number=3 * number)
        matte = pipeline.matte(frame)
        made = outputs.composites(frame, matte)
        expected = {kind: run.finish(frame, matte).composite for kind, run in alone.items()}
        shown = shown_alone.shown_matte(matte)
        room = shown_alone.crop(plate(frame, shown, CONSENT), shown_alone.crop_window(shown))
        for kind, picture in ((OutputKind.VIDEO, expected[mode]), (MATTE, expected["matte"]), (CUTOUT, expected["cutout"])):
            assert (made[kind].data == picture.data).all(), kind
        alphas = made[CUTOUT].alpha, expected["cutout"].alpha
        assert alphas[0] is not None
        assert alphas[1] is not None
        assert (alphas[0] == alphas[1]).all()
        assert (made[PLATE].data == room.data).all()
        stored = made[STORED]
        assert (stored.planes[0] == matte.alpha).all()
        assert stored.color.full_range
        assert {each.pts for each in made.values()} == {frame.pts}


def test_only_requested_outputs_are_made(tmp_path: Path) -> None:
    settings, frame = load_settings({"effect.mode": "greenscreen"}), noise_frame(1, SIZE)
    matte = Matte(np.full(SIZE[::-1], 200, np.uint8), frame.time, frame.time)
    for chosen in ((), extras(tmp_path)[:1], extras(tmp_path)[2:]):
        made = build_outputs(settings, build_compositor(settings), chosen).composites(frame, matte)
        assert set(made) == {OutputKind.VIDEO, *(each.kind for each in chosen)}
    with pytest.raises(ValueError, match="The matte is for 1"):
        build_outputs(settings, build_compositor(settings), ()).composites(frame, replace(matte, time=frame.time + 1))
