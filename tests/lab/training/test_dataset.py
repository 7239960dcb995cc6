"""Preparing data sets and drawing training samples, with procedural people."""

import zipfile
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper
from typer.testing import CliRunner

pytest.importorskip("torch", reason="training needs the extra livebg[train]")

from livebg.lab.evaluation.holdout import held_out_keys
from livebg.lab.evaluation.networks import Network, Rgb
from livebg.lab.training import framing
from livebg.lab.training.__main__ import app
from livebg.lab.training.augmentation import camouflage, simulate_camera
from livebg.lab.training.dataset import Mix, Sample, Samples
from livebg.lab.training.hard_examples import weigh_photos
from livebg.lab.training.objects import add_furniture
from livebg.lab.training.pixel_store import Store, write_store
from livebg.lab.training.prepare import MISLABELED, PHOTOS, prepare
from livebg.lab.training.pseudo_labels import PseudoLabeler, agreed, foreground
from livebg.models.registry import unknown_card
from livebg.segmentation.onnx_model import Size
from livebg.segmentation.u2net import U2NetSegmenter
from livebg.synthetic import Cutout, blob_person, over, procedural_room
from tests.support.evaluation_data import save_archive

Bytes = NDArray[np.uint8]


def toy_labeller(path: Path) -> Path:
    """Write a stateless matting network that classifies red as person. Returns its path."""
    inputs = [helper.make_tensor_value_info("src", TensorProto.FLOAT, [1, 3, "h", "w"])]
    outputs = [helper.make_tensor_value_info("pha", TensorProto.FLOAT, [1, 1, "h", "w"])]
    axis = helper.make_tensor("axis", TensorProto.INT64, [1], [1])
    ends = [helper.make_tensor(name, TensorProto.INT64, [1], [value]) for name, value in (("from", 0), ("to", 1))]
    nodes = [helper.make_node("Slice", ["src", "from", "to", "axis"], ["pha"])]
    for level, channels in enumerate((16, 20, 40, 64), start=1):
        inputs.append(helper.make_tensor_value_info(f"r{level}i", TensorProto.FLOAT, [1, channels, f"h{level}", f"w{level}"]))
        outputs.append(helper.make_tensor_value_info(f"r{level}o", TensorProto.FLOAT, [1, channels, f"h{level}", f"w{level}"]))
        nodes.append(helper.make_node("Identity", [f"r{level}i"], [f"r{level}o"]))
    graph = helper.make_graph(nodes, "toy", inputs, outputs, [axis, *ends])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path


def red_person(size: tuple[int, int] = (96, 120), neck: int = 0) -> tuple[Bytes, Bytes]:
    """Returns a red disc on blue, on a neck of that width down to the lower edge, and its mask."""
    mask = np.zeros(size[::-1], np.uint8)
    mask[size[1] // 2 :, (size[0] - neck) // 2 : (size[0] + neck) // 2] = 255
    cv2.circle(mask, (size[0] // 2, size[1] // 2), size[0] // 3, 255, -1)
    return np.dstack((mask, np.zeros_like(mask), 255 - mask)), mask


def write_picture(path: Path, picture: Bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture[..., ::-1] if picture.ndim == 3 else picture)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Returns a small data folder: two portraits, eleven street pictures (one held out), rooms with and without people."""
    folder = tmp_path / "data"
    picture, mask = red_person()
    for number, (portrait, outline) in enumerate((red_person(neck=30), (picture, mask))):
        write_picture(folder / "eg1800" / "train" / "images" / f"{number}.png", portrait)
        write_picture(folder / "eg1800" / "train" / "masks" / f"{number}.png", outline)
    for number in range(11):
        write_picture(folder / "ccp" / "images" / f"{number:02}.png", picture)
        write_picture(folder / "ccp" / "masks" / f"{number:02}.png", mask)
    empty = np.full((300, 400, 3), (10, 90, 140), np.uint8)
    for number in range(12):
        has_person = number == 5
        write_picture(folder / "backgrounds" / "rooms" / f"{number:02}.png", picture if has_person else empty)
    with zipfile.ZipFile(folder / "backgrounds" / "chairs.zip", "w") as archive:
        for number in range(3):
            archive.writestr(f"{number}.png", cv2.imencode(".png", empty)[1].tobytes())
    save_archive(folder / "people" / "offices.zip", [f"a{number:03}0" for number in range(30)])
    return folder


def test_prepare_excludes_held_out_pictures(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "prepared"
    counts = prepare(data, out, PseudoLabeler(toy_labeller(tmp_path / "labeller.onnx")))
    assert counts == {
        "photos.portraits": 2,
        "cutouts.portraits": 1,  # the other one ends above the lower edge
        "photos.streets": 9,
        "cutouts.streets": 9,
        "cutouts.halfbody": 0,
        "photos.clips": 0,
        "cutouts.talking": 0,
        "rooms": 9,
        "negatives": 2,
        "photos.offices": 27,
        "cutouts.offices": 27,
    }
    assert not {"00", "10"} & set(Store(out / "photos.streets").names)
    assert "05" not in Store(out / "rooms").names  # it shows a person
    held_out = {name for _, name in held_out_keys(data)}
    assert len(held_out) == 3
    assert not held_out & set(Store(out / "photos.offices").names)
    assert Store(out / "rooms")[0].shape == (256, 341, 3)
    person = Store(out / "photos.portraits")[1]
    _, mask = red_person()
    assert person.shape == (120, 96, 4)
    assert np.abs(person[..., 3].astype(int) - mask).mean() < 4


def test_prepare_leaves_out_mislabeled_pictures(data: Path, tmp_path: Path) -> None:
    store, name = MISLABELED.read_text().split()[-1].split("/")
    save_archive(data / "people" / f"{store.removeprefix(PHOTOS)}.zip", [name, *(f"b{number:03}0" for number in range(9))])
    counts = prepare(data, tmp_path / "prepared", PseudoLabeler(toy_labeller(tmp_path / "labeller.onnx")))
    assert counts[store] >= 8
    assert name not in Store(tmp_path / "prepared" / store).names


def test_make_goes_from_data_to_network(data: Path, tmp_path: Path) -> None:
    out, work, labeller = tmp_path / "made.onnx", tmp_path / "work", toy_labeller(tmp_path / "labeller.onnx")
    options = ["--labeller", str(labeller), "--work", str(work), "--design", "tiny", "--pictures", "4", "--workers", "0"]
    result = CliRunner().invoke(app, ["make", str(data), str(out), *options])
    assert result.exit_code == 0, result.output
    assert (work / "prepared" / "photos.portraits" / "index.json").exists()
    assert (work / "tiny.pt").exists()
    alpha = U2NetSegmenter(out, unknown_card(out.name)).segment(np.full((144, 256, 3), 90, np.uint8))
    assert alpha.shape == (144, 256)


def test_store_returns_what_was_written(tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    pictures = {name: draw.integers(0, 256, shape).astype(np.uint8) for name, shape in {"a": (3, 5, 3), "b": (7, 2, 4)}.items()}
    assert write_store(tmp_path, pictures.items()) == 2
    store = Store(tmp_path)
    assert store.names == ["a", "b"]
    assert all(np.array_equal(store[index], picture) for index, picture in enumerate(pictures.values()))


def test_pseudo_label_refines_only_the_edge() -> None:
    _, mask = red_person()
    soft = cv2.GaussianBlur(mask, (0, 0), 2)
    opinion = np.asarray(soft, np.uint8).copy()
    opinion[:30] = 255  # classifies the upper part of the room as person
    merged = agreed(mask, opinion)
    middle = slice(40, 100)
    assert np.abs(merged[middle].astype(int) - soft[middle]).mean() < 2
    assert merged[:20].max() < 10


def test_room_color_is_removed_from_edge() -> None:
    person = blob_person(2)
    green = np.full((*person.alpha.shape, 3), (0, 255, 0), np.uint8)
    seen, _ = over(green, person)
    edge = (person.alpha > 60) & (person.alpha < 200)
    cleaned = foreground(seen, person.alpha)
    assert _error(cleaned, person.rgb, edge) < 0.5 * _error(seen, person.rgb, edge)
    inside = person.alpha == 255
    assert np.array_equal(cleaned[inside], seen[inside])


def _error(rgb: Bytes, truth: Bytes, region: NDArray[np.bool_]) -> float:
    return float(np.abs(rgb.astype(int) - truth)[region].mean())


def test_camera_simulation_keeps_picture_recognizable() -> None:
    room = procedural_room(3, (128, 96))
    draw = np.random.default_rng(0)
    correlations = [
        np.corrcoef(simulate_camera(room, draw).mean(axis=2).ravel(), room.mean(axis=2).ravel())[0, 1] for _ in range(30)
    ]
    assert np.median(correlations) > 0.8
    assert len({simulate_camera(room, draw).tobytes() for _ in range(5)}) == 5


@pytest.fixture
def stores(tmp_path: Path) -> Path:
    folder = tmp_path / "stores"
    people = [blob_person(seed) for seed in range(3)]
    write_store(
        folder / "cutouts.portraits", ((str(n), np.dstack((person.rgb, person.alpha))) for n, person in enumerate(people))
    )
    write_store(folder / "photos.portraits", (("white", _white_photo()) for _ in range(1)))
    write_store(folder / "rooms", ((str(seed), procedural_room(seed, (200, 160))) for seed in range(3)))
    return folder


def _white_photo() -> Bytes:
    """Returns a photo whose RGB equals its alpha, so that both can be compared after augmentation."""
    alpha = blob_person(5).alpha
    return np.dstack((alpha, alpha, alpha, alpha))


def test_photo_and_alpha_are_transformed_together(stores: Path) -> None:
    samples, draw = Samples(stores, Mix(photos=1.0)), np.random.default_rng(2)
    correlations = []
    for _ in range(20):
        sample = samples.draw(draw, (256, 144))
        assert sample.picture.shape == (144, 256, 3)
        if sample.alpha.std() > 20:
            correlations.append(np.corrcoef(sample.picture.mean(axis=2).ravel(), sample.alpha.ravel())[0, 1])
    assert len(correlations) > 10
    assert np.median(correlations) > 0.95


def test_empty_scene_has_no_person(stores: Path) -> None:
    samples, draw = Samples(stores, Mix(photos=0.0, empty=1.0)), np.random.default_rng(2)
    assert all(samples.draw(draw, (64, 48)).alpha.max() == 0 for _ in range(5))


def test_empty_scenes_show_rooms_and_negatives(stores: Path) -> None:
    write_store(stores / "rooms", [("dark", np.zeros((160, 200, 3), np.uint8))])
    write_store(stores / "negatives", [("bright", np.full((160, 200, 3), 230, np.uint8))])
    mix = Mix(photos=0.0, empty=1.0, poster=0.0, clutter=0.0, augmentation_strength=0.0)
    drawn = [Samples(stores, mix).draw(np.random.default_rng(seed), (64, 48)) for seed in range(40)]
    assert 6 < sum(sample.picture.mean() > 128 for sample in drawn) < 22
    assert not any(sample.alpha.any() for sample in drawn)


@pytest.mark.parametrize(("far", "low", "high"), [(0.0, 0.04, 0.9), (1.0, 0.005, 0.16)])
def test_people_are_placed_near_and_far(stores: Path, far: float, low: float, high: float) -> None:
    samples, draw = Samples(stores, Mix(photos=0.0, empty=0.0, far=far)), np.random.default_rng(2)
    shares = [(samples.draw(draw, (256, 144)).alpha > 127).mean() for _ in range(24)]
    assert np.mean([low < share < high for share in shares]) > 0.9


def test_zoomed_out_photos_show_smaller_people(stores: Path) -> None:
    def height(whole: float, zoomed_out: float) -> float:
        samples, draw = Samples(stores, Mix(photos=1.0, whole=whole, zoomed_out=zoomed_out)), np.random.default_rng(2)
        return float(np.median([people_height(samples.draw(draw, (256, 144)).alpha) for _ in range(24)]))

    assert height(0.0, 1.0) < 0.85 * height(0.0, 0.0)


def test_bulge_enlarges_people_and_moves_picture_and_alpha_together() -> None:
    alpha = np.zeros((144, 256), np.uint8)
    cv2.circle(alpha, (128, 50), 25, 255, -1)
    alpha[70:, 90:166] = 255
    photo = np.dstack((alpha, alpha, alpha, alpha))
    bulged = [framing.bulge(photo, np.random.default_rng(seed)) for seed in range(20)]
    assert all(np.array_equal(each[..., 0], each[..., 3]) for each in bulged)
    growth = [each[..., 3].mean() / alpha.mean() for each in bulged]
    assert min(growth) > 0.99
    assert max(growth) > 1.1


def test_bulge_leaves_pictures_without_near_people() -> None:
    tiny = np.zeros((144, 256, 4), np.uint8)
    tiny[70:76, 100:104] = 255
    assert all(np.array_equal(framing.bulge(tiny, np.random.default_rng(seed)), tiny) for seed in range(5))


def _white_person(top: int) -> Bytes:
    """Returns a white rectangle in front of black; alpha equals RGB."""
    picture = np.zeros((200, 240, 4), np.uint8)
    picture[top:, 60:180] = 255
    return picture


class OnlyWhite(Network):
    """Classifies white as a person."""

    name = "only white"

    def input_size(self, width: int, height: int, wanted: Size | None = None) -> Size:
        return wanted or (width, height)

    def alpha(self, image: Rgb) -> NDArray[np.float32]:
        return np.asarray(image.min(axis=2), np.float32) / np.float32(255)


def test_photos_that_a_network_misses_are_drawn_five_times_as_often(stores: Path) -> None:
    white = _white_person(60)
    red = white.copy()
    red[..., 1:3] = 0
    write_store(stores / "photos.portraits", [("white", white), ("red", red)])
    assert dict(weigh_photos(stores, OnlyWhite())) == {"photos.portraits": 0.5}
    mix = Mix(photos=1.0, whole=1.0, replaced=0.0, behind=0.0, augmentation_strength=0.0)
    samples, draw = Samples(stores, mix), np.random.default_rng(0)
    drawn = [samples.draw(draw, (64, 48)).picture for _ in range(300)]
    assert 3.5 < 300 / sum(bool(picture[..., 1].any()) for picture in drawn) - 1 < 7


def test_all_photos_are_drawn_equally_often_after_weighing_with_a_perfect_network(stores: Path) -> None:
    write_store(stores / "photos.portraits", [("white", _white_person(60)), ("other", _white_person(80))])
    list(weigh_photos(stores, OnlyWhite()))
    chances = Store(stores / "photos.portraits").chances
    assert chances is not None
    assert chances.tolist() == [0.5, 0.5]


def test_weighing_needs_photos(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="prepare"):
        list(weigh_photos(tmp_path, OnlyWhite()))


@pytest.mark.parametrize("is_cut", [True, False])
def test_photo_that_cuts_off_a_head_is_not_zoomed_out(stores: Path, is_cut: bool) -> None:
    photo = _white_photo()
    head = int(np.flatnonzero(photo[..., 3].max(axis=1) > 127)[0]) + 20
    write_store(stores / "photos.portraits", [("head", photo[head if is_cut else 0 :])])
    zoomed, cropped = (
        [sample.draw(np.random.default_rng(seed), (256, 144)).alpha for seed in range(5)]
        for sample in (Samples(stores, Mix(photos=1.0, whole=0.0, zoomed_out=share)) for share in (1.0, 0.0))
    )
    assert np.array_equal(zoomed, cropped) is is_cut


def test_objects_are_pasted_behind_people_most_often_at_their_outline(stores: Path) -> None:
    mix = Mix(photos=1.0, replaced=0.0, behind=1.0, augmentation_strength=0.0)
    draw = np.random.default_rng(2)
    beside, elsewhere = [], []
    for _ in range(120):
        sample = Samples(stores, mix).draw(draw, (256, 144))
        assert (sample.picture[sample.alpha == 255] > 250).all()
        covered = sample.picture.max(axis=2) > 0
        near = cv2.dilate(sample.alpha, np.ones((9, 9))) > 0
        beside.append(covered[near & (sample.alpha == 0)].mean())
        elsewhere.append(covered[~near].mean())
    assert np.mean(beside) > 1.3 * np.mean(elsewhere) > 0.01


def test_background_is_replaced(stores: Path) -> None:
    photo = np.asarray(cv2.copyMakeBorder(_white_photo(), 0, 0, 300, 0, cv2.BORDER_CONSTANT, value=0), np.uint8)
    photo[photo[..., 3] < 128] = (0, 200, 0, 0)
    write_store(stores / "photos.portraits", [("white on green", photo)])
    write_store(stores / "rooms", [("blue", np.full((160, 200, 3), (0, 0, 200), np.uint8))])
    mix = Mix(photos=1.0, replaced=1.0, camouflaged=0.0, clutter=0.0, poster=0.0, augmentation_strength=0.0)
    colors = []
    for seed in range(12):
        sample = Samples(stores, mix).draw(np.random.default_rng(seed), (256, 144))
        background = sample.picture[sample.alpha == 0]
        assert sample.picture[sample.alpha == 255].min() > 100
        assert np.ptp(background.astype(int), axis=0).max() < 20
        colors.append(int(background.mean(axis=0).argmax()))
    assert set(colors) == {1, 2}


@pytest.mark.parametrize("color", [(40, 30, 30), (130, 110, 90), (230, 225, 240)])
def test_camouflage_gives_the_background_the_color_of_the_person(color: tuple[int, int, int]) -> None:
    _, alpha = red_person((256, 144))
    person = Cutout(np.full((*alpha.shape, 3), color, np.uint8), alpha)
    room = np.clip(np.random.default_rng(0).normal((90, 130, 60), 5, (*alpha.shape, 3)), 0, 255).astype(np.uint8)
    distances = [
        np.abs(camouflage(room, person, np.random.default_rng(seed)).mean(axis=(0, 1)) - color).mean() for seed in range(20)
    ]
    before = np.abs(room.mean(axis=(0, 1)) - color).mean()
    assert max(distances) < 0.7 * before
    assert min(distances) < 0.15 * before


def test_camouflage_without_a_person_changes_nothing() -> None:
    room = procedural_room(1, (64, 48))
    nobody = Cutout(room, np.zeros((48, 64), np.uint8))
    assert np.array_equal(camouflage(room, nobody, np.random.default_rng(0)), room)


@pytest.mark.parametrize("photos", [0.0, 1.0])
def test_backgrounds_of_white_people_are_brighter_if_camouflaged(stores: Path, photos: float) -> None:
    for kind in ("cutouts", "photos"):
        write_store(stores / f"{kind}.portraits", [("white", _white_photo())])
    write_store(stores / "rooms", [("dark", np.full((160, 200, 3), 60, np.uint8))])

    def brightness(camouflaged: float) -> float:
        mix = Mix(photos=photos, empty=0.0, replaced=1.0, camouflaged=camouflaged, clutter=0.0, poster=0.0)
        samples = Samples(stores, mix)
        drawn = [samples.draw(np.random.default_rng(seed), (256, 144)) for seed in range(12)]
        return float(np.mean([sample.picture[sample.alpha == 0].mean() for sample in drawn]))

    assert brightness(1.0) > 1.5 * brightness(0.0)


def test_furniture_hides_straight_cut_below_distant_person(stores: Path) -> None:
    bust = np.full((60, 40, 4), 255, np.uint8)
    bust[:20] = 0
    write_store(stores / "cutouts.portraits", [("bust", bust)])
    write_store(stores / "rooms", [(str(level), np.full((160, 200, 3), level, np.uint8)) for level in (20, 120)])
    mix = Mix(photos=0.0, empty=0.0, far=1.0, clutter=0.0, poster=0.0, augmentation_strength=0.0)
    samples = [Samples(stores, mix).draw(np.random.default_rng(seed), (256, 144)) for seed in range(30)]
    above_edge = [sample for sample in samples if not sample.alpha[-1].any()]
    plain = [sample for sample in above_edge if np.ptp(sample.picture[sample.alpha == 0].astype(int)) < 20]
    assert len(above_edge) > 8
    assert len(plain) < 0.7 * len(above_edge)  # furniture may have the room's color


def test_furniture_reaches_lower_edge() -> None:
    room, other = np.zeros((144, 256, 3), np.uint8), np.full((160, 200, 3), 200, np.uint8)
    for seed in range(10):
        seen, alpha = add_furniture(room, other, np.random.default_rng(seed), (100.0, 160.0, 90.0))
        assert (alpha[92:, 102:158] == 255).all()
        assert not alpha[:70].any()
        assert np.array_equal(seen.any(axis=2), seen.any(axis=2) & (alpha > 0))


def people_height(alpha: Bytes) -> int:
    return int((alpha.max(axis=1) > 127).sum())


def test_poster_is_not_a_person(stores: Path) -> None:
    samples, draw = Samples(stores, Mix(photos=0.0, empty=1.0, poster=1.0)), np.random.default_rng(2)
    plain = Samples(stores, Mix(photos=0.0, empty=1.0, poster=0.0))
    drawn = samples.draw(draw, (256, 144))
    assert drawn.alpha.max() == 0
    assert not np.array_equal(drawn.picture, plain.draw(np.random.default_rng(2), (256, 144)).picture)


def test_clutter_is_not_a_person(stores: Path) -> None:
    def drawn(clutter: float) -> list[Sample]:
        samples = Samples(stores, Mix(photos=0.0, empty=1.0, poster=0.0, clutter=clutter))
        return [samples.draw(np.random.default_rng(seed), (256, 144)) for seed in range(10)]

    pairs = list(zip(drawn(1.0), drawn(0.0), strict=True))
    assert not any(cluttered.alpha.any() for cluttered, _ in pairs)
    assert sum(not np.array_equal(cluttered.picture, plain.picture) for cluttered, plain in pairs) >= 8


def test_close_samples_show_people_twice_as_large(stores: Path) -> None:
    def edge_share(close: float) -> float:
        samples, draw = Samples(stores, Mix(photos=1.0, close=close)), np.random.default_rng(4)
        alphas = [samples.draw(draw, (64, 48)).alpha for _ in range(40)]
        assert {alpha.shape for alpha in alphas} == {(48, 64)}
        outlines = [
            np.count_nonzero(cv2.morphologyEx(alpha, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 127) for alpha in alphas
        ]
        return float(np.mean(outlines))

    assert edge_share(1.0) < 0.8 * edge_share(0.0)


def test_left_out_set_is_never_drawn(stores: Path) -> None:
    red = np.full((60, 80, 4), (255, 0, 0, 255), np.uint8)
    write_store(stores / "photos.reds", [("red", red)])
    mix = Mix(photos=1.0, augmentation_strength=0.0)
    with_reds, without = Samples(stores, mix), Samples(stores, mix, frozenset({"reds"}))
    draw = np.random.default_rng(1)
    assert any(is_red(with_reds.draw(draw, (64, 48)).picture) for _ in range(20))
    assert not any(is_red(without.draw(draw, (64, 48)).picture) for _ in range(20))


def is_red(picture: Bytes) -> bool:
    return bool(picture[..., 0].mean() > 3 * picture[..., 1].mean() + 20)


def test_gray_sets_stay_gray(stores: Path) -> None:
    write_store(stores / "photos.bw_portraits", [("gray", _white_photo())])
    samples = Samples(stores, Mix(photos=1.0), frozenset({"portraits"}))
    picture = samples.draw(np.random.default_rng(1), (64, 48)).picture.astype(int)
    assert np.ptp(picture.mean(axis=(0, 1))) < 1


def test_folder_without_pictures_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="No prepared pictures in"):
        Samples(tmp_path, Mix())


def test_stored_cutout_is_unchanged(stores: Path) -> None:
    rgba, person = Store(stores / "cutouts.portraits")[1], blob_person(1)
    stored = Cutout(np.ascontiguousarray(rgba[..., :3]), np.ascontiguousarray(rgba[..., 3]))
    assert np.array_equal(stored.rgb, person.rgb)
    assert np.array_equal(stored.alpha, person.alpha)
