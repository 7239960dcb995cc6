"""``livebg models``: the list of networks, their paths and origins."""

import hashlib
from pathlib import Path

import pytest

from livebg.models import REGISTRY, find, models_folder
from tests.support.cli_runner import Workshop, known

U2NETP = REGISTRY["u2netp"]


def laid(folder: Path, size: int = U2NETP.size_bytes) -> Path:
    """Create a file with the name and size of u2netp."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / U2NETP.file_name
    path.write_bytes(bytes(size))
    return path


def test_the_list_says_what_each_is_and_where_it_comes_from(shop: Workshop) -> None:
    said = shop.livebg("models", "list")
    assert (said.code, said.err) == (0, "")
    blocks = said.out.strip().split("\n\n")
    bundled = find("livebg-u2")
    assert blocks[0].splitlines() == [
        f"livebg-u2: {bundled.path.stat().st_size / 1e6:.1f} MB, input 192x192 in the frame's aspect ratio",
        f"  {bundled.card.description}",
        f"  license: {bundled.card.license}",
        "  source: included in livebg",
        f"  path: {bundled.path}",
    ]
    assert blocks[1].splitlines() == [
        "u2netp: 4.6 MB, input 192x192 in the frame's aspect ratio",
        f"  {U2NETP.description}",
        "  license: Apache-2.0",
        "  source: github.com/danielgatis/rembg",
        "  not downloaded: run `livebg models pull u2netp`",
    ]
    assert [block.split(":")[0] for block in blocks] == list(REGISTRY)
    assert max(len(line) for line in said.out.splitlines() if "path: " not in line) <= 80


def test_models_alone_lists_them(shop: Workshop) -> None:
    assert shop.livebg("models") == shop.livebg("models", "list")


def test_the_list_says_where_a_network_lies(shop: Workshop) -> None:
    path = laid(known(models_folder()))
    assert f"  path: {path}\n" in shop.livebg("models").out


def test_the_list_as_json(shop: Workshop) -> None:
    path = laid(shop.folder / "nets [1]")
    (shop.folder / "my.toml").write_text(f'[model]\nfolders = ["{path.parent}"]\n')
    facts = shop.livebg("models", "list", "--json", "--config", "my.toml").facts
    assert [fact["name"] for fact in facts] == list(REGISTRY)
    bundled = find("livebg-u2").path
    assert (facts[0]["path"], facts[0]["size"], facts[0]["bundled"]) == (str(bundled), bundled.stat().st_size, True)
    assert facts[0]["sha256"] == hashlib.sha256(bundled.read_bytes()).hexdigest()
    assert facts[1] == {
        "name": "u2netp",
        "license": "Apache-2.0",
        "size": 4_574_861,
        "sha256": U2NETP.sha256,
        "pixels": 192 * 192,
        "stride": 16,
        "bundled": False,
        "from": U2NETP.url,
        "path": str(path),
        "description": U2NETP.description,
    }
    assert (facts[2]["path"], facts[2]["pixels"]) == (None, 320 * 320)


def test_path_prints_where_a_network_lies(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    path = laid(shop.folder / "nets [bold]")
    monkeypatch.setenv("LIVEBG_MODEL__FOLDERS", str(path.parent))
    said = shop.livebg("models", "path", "u2netp")
    assert (said.code, said.out, said.err) == (0, f"{path}\n", "")
    assert shop.livebg("models", "path", "toy.onnx").out == "toy.onnx\n"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("u2netp", "The model u2netp is not installed. Run `livebg models pull u2netp`."),
        ("u2net", "Unknown model 'u2net'. Did you mean u2netp? The path of an .onnx file works too."),
        (
            "nets/my.onnx",
            "The model file nets/my.onnx does not exist. Give the path of an .onnx file, or one of livebg-u2, u2netp",
        ),
    ],
)
def test_path_of_what_is_not_there(name: str, sentence: str, shop: Workshop) -> None:
    said = shop.livebg("models", "path", name)
    assert said.code == 5
    assert said.sentence.startswith(sentence)


def test_a_network_of_the_wrong_size_is_told(shop: Workshop) -> None:
    path = laid(known(models_folder()), size=1000)
    said = shop.livebg("models", "path", "u2netp")
    assert (said.code, said.sentence) == (
        5,
        f"{path} has 1000 bytes, but the model u2netp has 4574861. Remove it and run `livebg models pull u2netp`.",
    )


def test_pull_of_what_is_not_known(shop: Workshop) -> None:
    said = shop.livebg("models", "pull", "u2netq")
    assert (said.code, said.sentence) == (
        5,
        "Unknown model 'u2netq'. Did you mean u2netp? The path of an .onnx file works too.",
    )


def test_a_mistyped_setting_is_told_here_as_well(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEBG_MODEL__FOLDER", "nets")
    for command in (("list",), ("path", "u2netp")):
        said = shop.livebg("models", *command)
        assert (said.code, said.sentence) == (
            2,
            "Unknown environment variable LIVEBG_MODEL__FOLDER. Did you mean LIVEBG_MODEL__FOLDERS?",
        )


def test_without_a_connection_pulling_fails_in_a_sentence_and_leaves_nothing(shop: Workshop) -> None:
    said = shop.livebg("models", "pull", "u2net_human_seg")
    assert (said.code, said.out) == (5, "")
    last = said.err.splitlines()[-1]
    assert last.startswith("livebg: u2net_human_seg could not be downloaded (the release cannot be reached")
    assert last.endswith("Connect to the internet and run `livebg models pull u2net_human_seg` again.")
    assert [path for path in known(models_folder()).rglob("*") if path.is_file()] == []
