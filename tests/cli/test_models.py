"""``livebg models``: the list of networks, their paths and origins."""

import hashlib
from pathlib import Path

import pytest

from livebg.models import REGISTRY, find, models_folder
from tests.support.cli_runner import LivebgCli, known

U2NETP = REGISTRY["u2netp"]


def put_network(folder: Path, size: int = U2NETP.size_bytes) -> Path:
    """Create a file with the name and size of u2netp."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / U2NETP.file_name
    path.write_bytes(bytes(size))
    return path


def test_list_shows_description_license_and_source(cli: LivebgCli) -> None:
    result = cli.livebg("models", "list")
    assert (result.code, result.err) == (0, "")
    blocks = result.out.strip().split("\n\n")
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
        "  The model u2netp is not installed.",
        "  Run `livebg models pull u2netp`.",
    ]
    assert [block.split(":")[0] for block in blocks] == list(REGISTRY)
    assert max(len(line) for line in result.out.splitlines() if "path: " not in line) <= 80


def test_models_without_subcommand_lists_networks(cli: LivebgCli) -> None:
    assert cli.livebg("models") == cli.livebg("models", "list")


def test_list_shows_path_of_downloaded_network(cli: LivebgCli) -> None:
    path = put_network(known(models_folder()))
    assert f"  path: {path}\n" in cli.livebg("models").out


def test_list_names_damaged_file(cli: LivebgCli) -> None:
    path = put_network(known(models_folder()), size=1000)
    result = cli.livebg("models")
    assert result.code == 0
    assert (
        f"  {path} has 1000 bytes, but the model u2netp has 4574861.\n  Remove it and run `livebg models pull u2netp`.\n"
        in result.out
    )
    assert cli.livebg("models", "list", "--json").json_lines[1]["path"] is None


def test_list_as_json(cli: LivebgCli) -> None:
    path = put_network(cli.folder / "nets [1]")
    (cli.folder / "my.toml").write_text(f'[model]\nfolders = ["{path.parent}"]\n')
    facts = cli.livebg("models", "list", "--json", "--config", "my.toml").json_lines
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


def test_path_prints_network_path(cli: LivebgCli, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put_network(cli.folder / "nets [bold]")
    monkeypatch.setenv("LIVEBG_MODEL__FOLDERS", str(path.parent))
    result = cli.livebg("models", "path", "u2netp")
    assert (result.code, result.out, result.err) == (0, f"{path}\n", "")
    assert cli.livebg("models", "path", "toy.onnx").out == "toy.onnx\n"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("u2netp", "The model u2netp is not installed. Run `livebg models pull u2netp`."),
        ("u2net", "Unknown model 'u2net'. Did you mean u2netp? Or set model.name to the path of an .onnx file."),
        (
            "nets/my.onnx",
            "The model file nets/my.onnx does not exist. Give the path of an .onnx file, or one of livebg-u2, u2netp",
        ),
    ],
)
def test_path_of_missing_network_fails(name: str, sentence: str, cli: LivebgCli) -> None:
    result = cli.livebg("models", "path", name)
    assert result.code == 5
    assert result.error_line.startswith(sentence)


def test_path_of_network_with_wrong_size_fails(cli: LivebgCli) -> None:
    path = put_network(known(models_folder()), size=1000)
    result = cli.livebg("models", "path", "u2netp")
    assert (result.code, result.error_line) == (
        5,
        f"{path} has 1000 bytes, but the model u2netp has 4574861. Remove it and run `livebg models pull u2netp`.",
    )


def test_pull_of_unknown_network_fails(cli: LivebgCli) -> None:
    result = cli.livebg("models", "pull", "u2netq")
    assert (result.code, result.error_line) == (
        5,
        "Unknown model 'u2netq'. Did you mean u2netp? Or set model.name to the path of an .onnx file.",
    )


def test_models_rejects_mistyped_setting(cli: LivebgCli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEBG_MODEL__FOLDER", "nets")
    for command in (("list",), ("path", "u2netp")):
        result = cli.livebg("models", *command)
        assert (result.code, result.error_line) == (
            2,
            "Unknown environment variable LIVEBG_MODEL__FOLDER. Did you mean LIVEBG_MODEL__FOLDERS?",
        )


def test_pull_without_connection_fails_and_leaves_nothing(cli: LivebgCli) -> None:
    result = cli.livebg("models", "pull", "u2net_human_seg")
    assert (result.code, result.out) == (5, "")
    last = result.err.splitlines()[-1]
    assert last.startswith("livebg: u2net_human_seg could not be downloaded (the release cannot be reached")
    assert last.endswith("Connect to the internet and run `livebg models pull u2net_human_seg` again.")
    assert [path for path in known(models_folder()).rglob("*") if path.is_file()] == []
