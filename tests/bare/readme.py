"""The commands of the README, the help topics and the contributors' guide."""

import re
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
_README = (CHECKOUT / "README.md").read_text("utf-8")
_FILES = (*sorted((CHECKOUT / "livebg" / "docs").glob("*.md")), CHECKOUT / "README.md", CHECKOUT / ".github" / "CONTRIBUTING.md")
PAGES = {path.stem: path.read_text("utf-8") for path in _FILES}
"""The text of each page by its file's name: the topics, ``README`` and ``CONTRIBUTING``."""


def apt_line() -> str:
    """What a bare Debian has to install first, without ``sudo``, which it lacks."""
    (line,) = re.findall(r"bare Debian[^`]*`sudo (apt install [^`]+)`", _README)
    return str(line)


def pipx_apt_line() -> str:
    """Where pipx comes from according to the README."""
    (line,) = re.findall(r"`sudo (apt install pipx)`", _README)
    return str(line)


def try_lines() -> tuple[str, str]:
    """The one line that installs livebg and shows it, and the one line that runs its tests."""
    demo, tests = (line for line in code_lines("README") if line.startswith("python3 -m venv"))
    assert demo.endswith("livebg demo")
    assert tests.endswith("python -m pytest")
    return demo, tests


def install_line(tool: str) -> str:
    """The line that installs livebg permanently with ``pipx`` or ``uv``."""
    (line,) = re.findall(rf"`({tool} [^`]*install \.)`", _README)
    return str(line)


def livebg_lines(page: str) -> list[str]:
    """The lines of a page that begin with ``livebg``, without their comments."""
    return [line for line in code_lines(page) if line.startswith("livebg ")]


def all_livebg_lines() -> list[str]:
    """Those of all pages, each once."""
    return list(dict.fromkeys(line for page in PAGES for line in livebg_lines(page)))


def code_lines(page: str) -> list[str]:
    """The lines of shell code of a page, without their comments."""
    code = "\n".join(re.findall(r"```sh\n(.*?)```", PAGES[page], re.DOTALL))
    return [re.sub(r"\s+#.*", "", line) for line in code.splitlines()]
