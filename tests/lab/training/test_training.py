"""Training on a small scale: two steps on procedural people, checkpoints, ONNX export, the commands."""

import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra livebg[train]")

import onnx  # noqa: E402
from onnx import TensorProto, numpy_helper  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

from livebg.lab.training.__main__ import app  # noqa: E402
from livebg.lab.training.architecture import DEEP, TINY, LivebgNet, skip_dead_blocks  # noqa: E402
from livebg.lab.training.export import export, from_exported  # noqa: E402
from livebg.lab.training.loader import COURSES, Curriculum, loader  # noqa: E402
from livebg.lab.training.losses import Batch, edge_band, loss, overlap  # noqa: E402
from livebg.lab.training.pixel_store import write_store  # noqa: E402
from livebg.lab.training.rounding import avoid_ties  # noqa: E402
from livebg.lab.training.train_pipeline import (  # noqa: E402
    LEFT_OUT,
    Run,
    average_weights,
    calibration,
    initial_weights,
    leave_one_out,
    train_network,
)
from livebg.lab.training.trainer import Schedule, Trainer, orthogonalized, read_checkpoint  # noqa: E402
from livebg.models.registry import unknown_card  # noqa: E402
from livebg.segmentation.u2net import U2NetSegmenter  # noqa: E402
from livebg.synthetic import blob_person, procedural_room  # noqa: E402
from tests.support.evaluation_data import save_archive  # noqa: E402

SIZE = (64, 48)
COURSE = Curriculum(sizes=((SIZE, 1.0),), batch=4)
RUN = Run(workers=0, stages=(COURSE,))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns a folder of procedural people and rooms in the format of ``prepare``."""
    folder = tmp_path_factory.mktemp("prepared")
    people = [blob_person(seed) for seed in range(4)]
    write_store(
        folder / "cutouts.portraits", ((str(n), np.dstack((person.rgb, person.alpha))) for n, person in enumerate(people))
    )
    write_store(folder / "photos.portraits", ((str(n), np.dstack((person.rgb, person.alpha))) for n, person in enumerate(people)))
    write_store(folder / "rooms", ((str(seed), procedural_room(seed, (160, 120))) for seed in range(3)))
    return folder


def few_batches(prepared: Path) -> Iterator[Batch]:
    """Batches for calibration where the exact 8-bit ranges do not matter."""
    return islice(calibration(prepared, seed=0), 2)


def batch_of(prepared: Path, course: Curriculum = COURSE) -> Batch:
    return next(loader(prepared, course, seed=5, workers=0))


def test_training_resumes_from_checkpoint(prepared: Path, tmp_path: Path) -> None:
    checkpoint = tmp_path / "tiny.pt"
    first = train_network(LivebgNet(TINY), "tiny", prepared, checkpoint, Schedule(8), RUN)
    design, saved = read_checkpoint(checkpoint)
    assert design == "tiny"
    assert all(torch.equal(one, other) for one, other in zip(first.parameters(), saved.parameters(), strict=True))

    trainer = Trainer(LivebgNet(TINY), Schedule(16))
    trainer.resume(checkpoint)
    assert trainer.pictures == 8
    again = train_network(LivebgNet(TINY), "tiny", prepared, checkpoint, Schedule(16), RUN)
    assert not all(torch.equal(one, other) for one, other in zip(again.parameters(), saved.parameters(), strict=True))


def test_finished_training_is_not_repeated(prepared: Path, tmp_path: Path) -> None:
    checkpoint = tmp_path / "tiny.pt"
    first = train_network(LivebgNet(TINY), "tiny", prepared, checkpoint, Schedule(4), RUN)
    second = train_network(LivebgNet(TINY), "tiny", prepared, checkpoint, Schedule(4), RUN)
    assert all(torch.equal(one, other) for one, other in zip(first.parameters(), second.parameters(), strict=True))


def test_loss_decreases_on_repeated_batch(prepared: Path) -> None:
    torch.manual_seed(3)
    trainer = Trainer(LivebgNet(TINY), Schedule(10_000, rate=4e-3, warm_up=1))
    batch = batch_of(prepared)
    losses = [trainer.step(batch) for _ in range(40)]
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:2])


def test_exported_network_matches_trained_one(prepared: Path, tmp_path: Path) -> None:
    net = train_network(LivebgNet(TINY), "tiny", prepared, tmp_path / "tiny.pt", Schedule(8), RUN)
    path = tmp_path / "tiny.onnx"
    export(net, "tiny", path)
    card = replace(unknown_card(path.name), mean=(0, 0, 0), std=(1, 1, 1), pixels=256 * 144)
    segmenter = U2NetSegmenter(path, card)
    draw = np.random.default_rng(0)
    for width, height in ((256, 144), (144, 256), (176, 208)):
        picture = draw.integers(0, 256, (height, width, 3)).astype(np.uint8)
        assert np.abs(segmenter.segment(picture) - _alpha(net, picture)).max() < 0.01


def _alpha(net: LivebgNet, picture: "np.ndarray") -> "np.ndarray":
    stacked = (picture.astype(np.float32) / 255).transpose(2, 0, 1)[None]
    with torch.no_grad():
        return np.asarray(net(torch.from_numpy(np.ascontiguousarray(stacked)))[0, 0])


def test_8_bit_network_is_close_to_float(prepared: Path, tmp_path: Path) -> None:
    torch.manual_seed(2)
    net = train_network(LivebgNet(TINY), "tiny", prepared, tmp_path / "tiny.pt", Schedule(80), RUN)
    path = tmp_path / "tiny.onnx"
    export(net, "tiny", path, calibration(prepared, seed=0))
    segmenter = U2NetSegmenter(path, unknown_card(path.name))
    picture = procedural_room(1, (256, 144))
    difference = segmenter.segment(picture) - _alpha(net, picture)
    assert 0 < np.abs(difference).mean() < 0.02
    assert np.abs(segmenter.segment(picture).mean() - _alpha(net, picture).mean()) < 0.02


def test_8_bit_export_has_no_ties_and_no_wide_weights(prepared: Path, tmp_path: Path) -> None:
    """Both would make alpha differ between CPUs."""
    path = tmp_path / "tiny.onnx"
    export(LivebgNet(TINY), "tiny", path, few_batches(prepared))
    model = onnx.load(str(path))
    weights = [numpy_helper.to_array(each) for each in model.graph.initializer if each.data_type == TensorProto.INT8]
    assert max(np.abs(weight.astype(int)).max() for weight in weights) == 64
    exported = model.SerializeToString()
    avoid_ties(model)
    assert model.SerializeToString() == exported


@pytest.mark.parametrize(("whole_numbers", "steps"), [(True, 2**5), (False, 2**10)])
def test_training_continues_from_exported_file(prepared: Path, tmp_path: Path, whole_numbers: bool, steps: int) -> None:
    net = LivebgNet(TINY)
    export(net, "tiny", tmp_path / "tiny.onnx", few_batches(prepared) if whole_numbers else None)
    design, back = from_exported(tmp_path / "tiny.onnx")
    assert design == "tiny"
    sides = {name for name, _ in net.named_parameters() if name.startswith("sides.")}
    for name, parameter in back.named_parameters():
        if name not in sides:
            expected = net.get_parameter(name).detach()
            assert float((parameter.detach() - expected).abs().max()) <= max(float(expected.abs().max()), 0.1) / steps, name
    assert initial_weights(tmp_path / "tiny.onnx", "tiny").design == TINY


def test_other_network_cannot_be_initial_weights(tmp_path: Path) -> None:
    export(LivebgNet(TINY), "tiny", tmp_path / "tiny.onnx")
    with pytest.raises(ValueError, match="has the design tiny, not deep"):
        initial_weights(tmp_path / "tiny.onnx", "deep")


def test_average_is_the_mean_of_the_weights(prepared: Path, tmp_path: Path) -> None:
    nets = [train_network(LivebgNet(TINY), "tiny", prepared, tmp_path / f"{n}.pt", Schedule(4), RUN) for n in range(3)]
    mean = average_weights([tmp_path / f"{n}.pt" for n in range(3)], "tiny")
    for found, *parts in zip(mean.parameters(), *(net.parameters() for net in nets), strict=True):
        torch.testing.assert_close(found, sum(parts) / 3)
    with pytest.raises(ValueError, match="no network"):
        average_weights([], "tiny")
    other = tmp_path / "other.pt"
    other.write_text("some text")
    with pytest.raises(ValueError, match="no checkpoint"):
        average_weights([tmp_path / "0.pt", other], "tiny")


def test_half_precision_training_learns(prepared: Path) -> None:
    batch = batch_of(prepared)
    torch.manual_seed(1)
    trainer = Trainer(LivebgNet(TINY), Schedule(10_000, rate=3e-3, warm_up=1, half=True))
    losses = [trainer.step(batch) for _ in range(45)]
    assert losses[-1] < 0.9 * losses[0]
    assert all(parameter.dtype == torch.float32 for parameter in trainer.net.parameters())


def test_true_alpha_has_lowest_loss(prepared: Path) -> None:
    truth = (batch_of(prepared).alpha >= 128).float()
    right = (truth * 2 - 1) * 20
    small = torch.nn.functional.adaptive_avg_pool2d(right, (12, 16))
    wrong = [loss([answer, small], truth) for answer in (-right, right.roll(3, 3), torch.zeros_like(right))]
    assert float(loss([right, small], truth)) < float(min(wrong))


def test_overlap_loss_counts_missed_person_of_any_size() -> None:
    small, large = torch.zeros(1, 1, 48, 64), torch.zeros(1, 1, 48, 64)
    small[..., 30:36, 20:26], large[..., 10:48, 10:54] = 1, 1
    nothing = torch.zeros_like(small)
    assert float(overlap(nothing, small)) < 0.3
    assert float(overlap(nothing, large)) < 0.02
    assert float(overlap(small, nothing)) < 0.3, "a patch of an empty room"
    assert float(overlap(nothing, nothing)) == float(overlap(large, large)) == 1


def test_edge_band_surrounds_edges_only() -> None:
    truth = torch.zeros(1, 1, 40, 60)
    truth[..., 10:30, 20:40] = 1
    band = edge_band(truth)[0, 0]
    assert band[20, 17:23].all()
    assert not band[:, :16].any()
    assert not band[14:26, 24:36].any()


def test_orthogonalized_matrices_have_singular_values_near_1() -> None:
    torch.manual_seed(4)
    for shape in ((3, 16, 144), (2, 48, 16)):
        spread = torch.randn(shape) * torch.logspace(0, -1, shape[1])[:, None]
        values = torch.linalg.svdvals(orthogonalized(spread))
        assert 0.6 < float(values.min()) <= float(values.max()) < 1.3


def test_dead_block_is_skipped_in_training(prepared: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    net = train_network(LivebgNet(TINY), "tiny", prepared, tmp_path / "tiny.pt", Schedule(40), RUN)
    picture = batch_of(prepared).scaled().picture
    assert skip_dead_blocks(net, [picture]) == 0
    torch.nn.init.constant_(net.get_parameter("up.0.up.2.0.bias"), -1e4)
    skipping = deepcopy(net)
    assert skip_dead_blocks(skipping, [picture]) == 1
    with torch.no_grad():
        assert torch.equal(skipping(picture), net(picture))
    kept = net.get_parameter("up.0.up.2.0.bias").clone()
    trained = train_network(net, "tiny", prepared, tmp_path / "again.pt", Schedule(80), RUN)
    assert "Skipping 1 dead blocks" in caplog.text
    assert torch.equal(trained.get_parameter("up.0.up.2.0.bias"), kept)
    assert skip_dead_blocks(trained, [picture]) == 1


def test_export_omits_a_block_that_adds_nothing(prepared: Path, tmp_path: Path) -> None:
    net = train_network(LivebgNet(TINY), "tiny", prepared, tmp_path / "tiny.pt", Schedule(40), RUN)
    path, picture = tmp_path / "tiny.onnx", procedural_room(1, (256, 144))
    for dead in (False, True):
        if dead:
            torch.nn.init.constant_(net.get_parameter("up.0.up.2.0.bias"), -1e4)
        export(net, "tiny", path, few_batches(prepared))
        names = [node.input[1] for node in onnx.load(str(path)).graph.node if node.op_type == "Conv"]
        assert any(name.startswith("up.0.enter") for name in names)
        assert any(name.startswith(("up.0.down", "up.0.bottom", "up.0.up")) for name in names) is not dead
        segmenter = U2NetSegmenter(path, unknown_card(path.name))
        assert np.abs(segmenter.segment(picture) - _alpha(net, picture)).mean() < 0.02
    _, back = from_exported(path)
    assert np.abs(_alpha(back, picture) - _alpha(net, picture)).mean() < 0.02


def test_stages_run_in_order_with_their_shares(prepared: Path, tmp_path: Path) -> None:
    """Frames of the second stage have another size; it resumes from the checkpoint of the first."""
    other = replace(COURSE, sizes=(((48, 64), 1.0),))
    run = replace(RUN, stages=(replace(COURSE, until=0.5), other), until=8)
    checkpoint = tmp_path / "tiny.pt"
    train_network(LivebgNet(TINY), "tiny", prepared, checkpoint, Schedule(16), run)
    trainer = Trainer(LivebgNet(TINY), Schedule(16))
    trainer.resume(checkpoint)
    assert trainer.pictures == 8
    train_network(LivebgNet(TINY), "tiny", prepared, checkpoint, Schedule(16), replace(run, until=0))
    trainer.resume(checkpoint)
    assert trainer.pictures == 16


def test_every_curriculum_uses_multiples_of_16() -> None:
    for course in COURSES.values():
        assert all(width % 16 == height % 16 == 0 for (width, height), _ in course.sizes)


def test_leave_one_out_measures_each_start_on_left_out_set(prepared: Path, tmp_path: Path) -> None:
    shipped = tmp_path / "shipped.onnx"
    export(LivebgNet(TINY), "tiny", shipped)
    for name in LEFT_OUT:
        save_archive(tmp_path / "data" / "people" / f"{name}.zip", [f"a{number:04}" for number in range(3)])
    sections = list(leave_one_out(tmp_path / "data", prepared, tmp_path / "work", [shipped], "tiny", Schedule(4), RUN))
    assert [section.name for section in sections] == list(LEFT_OUT)
    for section in sections:
        assert list(section.scores) == [f"shipped-without-{section.name}", "shipped"]
        assert section.units == ("a0000", "a0001", "a0002")


def test_shipped_design_accepts_sizes_in_steps_of_16() -> None:
    net = LivebgNet(DEEP)
    with torch.no_grad():
        for width, height in ((256, 144), (16, 16), (208, 176)):
            alpha = net(torch.rand(1, 3, height, width))
            assert alpha.shape == (1, 1, height, width)
            assert 0 <= float(alpha.min()) <= float(alpha.max()) <= 1


def test_shipped_design_is_below_2_mib(prepared: Path, tmp_path: Path) -> None:
    export(LivebgNet(DEEP), "deep", tmp_path / "deep.onnx", few_batches(prepared))
    assert (tmp_path / "deep.onnx").stat().st_size < 2 * 1024 * 1024


def test_commands_train_and_export(prepared: Path, tmp_path: Path) -> None:
    checkpoint, out = str(tmp_path / "tiny.pt"), str(tmp_path / "tiny.onnx")
    options = ["--design", "tiny", "--pictures", "16", "--workers", "0", "--decay", "0.7", "--empty", "0.2"]
    trained_well = CliRunner().invoke(app, ["train", str(prepared), checkpoint, *options])
    assert trained_well.exit_code == 0, trained_well.output
    exported = CliRunner().invoke(app, ["export", checkpoint, out])
    assert exported.exit_code == 0, exported.output
    assert from_exported(Path(out))[0] == "tiny"
    mean = str(tmp_path / "mean.onnx")
    averaged = CliRunner().invoke(app, ["average", mean, checkpoint, out, "--design", "tiny", "--prepared", str(prepared)])
    assert averaged.exit_code == 0, averaged.output
    assert from_exported(Path(mean))[0] == "tiny"


def test_share_of_frames_without_people(prepared: Path) -> None:
    stage = COURSE.with_empty(0.5)
    assert (stage.mix.photos, stage.mix.empty) == pytest.approx((COURSE.mix.photos + COURSE.mix.empty - 0.5, 0.5))
    batches = loader(prepared, stage, seed=5, workers=0)
    empty = sum(int((next(batches).alpha.amax((1, 2, 3)) == 0).sum()) for _ in range(25))
    assert 35 <= empty <= 65


def test_missing_data_fails_with_clear_message(tmp_path: Path) -> None:
    arguments = [
        sys.executable,
        "-m",
        "livebg.lab.training",
        "train",
        str(tmp_path),
        str(tmp_path / "tiny.pt"),
        "--design",
        "tiny",
    ]
    result = subprocess.run([*arguments, "--workers", "0"], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr.strip().endswith(f"No prepared pictures in {tmp_path}. Run the prepare command first.")
    assert "Traceback" not in result.stderr


def test_invalid_labeler_fails_with_clear_message(tmp_path: Path) -> None:
    labeller = tmp_path / "labeller.onnx"
    labeller.write_text("no network")
    arguments = [
        sys.executable,
        "-m",
        "livebg.lab.training",
        "prepare",
        str(tmp_path),
        str(tmp_path / "out"),
        "--labeller",
        str(labeller),
    ]
    result = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr.strip().endswith(f"{labeller} is not an ONNX network or is damaged. Download or copy it again.")
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "out").exists()
