"""The registry and the search for networks."""

from pathlib import Path

import pytest

from livebg.errors import ModelError
from livebg.models import REGISTRY, card_named, find, models_folder, pull
from tests.support.cli_runner import known
from tests.support.toy_network import ToyNetwork


def test_every_card_is_complete() -> None:
    for name, card in REGISTRY.items():
        assert card.name == name
        assert card.file_name.endswith(".onnx")
        assert card.license
        assert card.pixels
        if not card.bundled:
            assert card.size_bytes > 0
            assert len(bytes.fromhex(card.sha256)) == 32


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("u2net", r"Did you mean u2netp\?"),
        ("U2NETP", r"Did you mean u2netp\?"),
        ("u2net_human", r"Did you mean u2net_human_seg\?"),
        ("zebra", r"Use livebg-u2, u2netp, u2net_human_seg\."),
    ],
)
def test_unknown_name_suggests_nearest(name: str, advice: str) -> None:
    with pytest.raises(ModelError, match=rf"^Unknown model '{name}'\. {advice} Or set model.name"):
        card_named(name)
    with pytest.raises(ModelError, match=advice):
        find(name)


def test_cache_folder_belongs_to_user() -> None:
    assert known(models_folder()).name == "models"
    assert "livebg" in known(models_folder()).parts


def registry_sized(folder: Path, name: str = "u2netp") -> Path:
    """Create a sparse file with the name and size of a registry network."""
    folder.mkdir(exist_ok=True)
    path = folder / REGISTRY[name].file_name
    with path.open("wb") as file:
        file.truncate(REGISTRY[name].size_bytes)
    return path


def test_folders_are_searched_in_order_before_cache(tmp_path: Path) -> None:
    first, second, cache = (tmp_path / name for name in ("first", "second", "cache"))
    with pytest.raises(ModelError, match=r"The model u2netp is not installed\. Run `livebg models pull u2netp`\."):
        find("u2netp", [first, second], cache)
    for folder in (cache, second, first):
        path = registry_sized(folder)
        assert find("u2netp", [first, second], cache).path == path
    assert find("u2netp", [second, first], cache).path == second / "u2netp.onnx"
    assert find("u2netp", [first], cache).card is REGISTRY["u2netp"]


def test_found_file_must_have_registered_size(tmp_path: Path) -> None:
    (tmp_path / "u2netp.onnx").write_bytes(b"half")
    with pytest.raises(
        ModelError, match=r"has 4 bytes, but the model u2netp has 4574861\. Remove it and run `livebg models pull"
    ):
        find("u2netp", [], tmp_path)


def test_custom_file_is_treated_as_u2net(tmp_path: Path) -> None:
    path = ToyNetwork().write(tmp_path / "mine.onnx")
    located = find(str(path))
    assert located.path == path
    assert located.card.name == "mine"
    assert located.card.mean == (0.485, 0.456, 0.406)
    assert located.card.sha256 == ""


def test_same_size_alone_does_not_identify_network(tmp_path: Path) -> None:
    assert find(str(registry_sized(tmp_path))).card.license == "unknown"


@pytest.mark.shared
def test_renamed_registry_network_gets_its_card(tmp_path: Path, u2netp: Path) -> None:
    (tmp_path / "renamed.onnx").symlink_to(u2netp)
    assert find(str(tmp_path / "renamed.onnx")).card is REGISTRY["u2netp"]


@pytest.mark.parametrize("name", ["nothing.onnx", "no/such", "NOTHING.ONNX"])
def test_missing_file_fails(name: str) -> None:
    with pytest.raises(ModelError, match=rf"The model file {name} does not exist\. Give the path"):
        find(name)


def test_folder_as_model_fails(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"is not a file\. Give the path"):
        find(str(tmp_path))


def test_pull_of_bundled_network_downloads_nothing(tmp_path: Path) -> None:
    assert pull(REGISTRY["livebg-u2"], tmp_path) == find("livebg-u2")
    assert list(tmp_path.iterdir()) == []
