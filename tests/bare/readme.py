"""The commands of the README, as a reader finds them there."""

import re
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
_TEXT = (CHECKOUT / "README.md").read_text("utf-8")


def apt_line() -> str:
    """What a bare Debian has to install first, without ``sudo``, which a bare one has not."""
    (line,) = re.findall(r"bare Debian.*?`sudo (apt install [^`]+)`", _TEXT)
    return str(line)


def apt_line_of_pipx() -> str:
    """Where the README says that pipx comes from."""
    (line,) = re.findall(r"`sudo (apt install pipx)`", _TEXT)
    return str(line)


def try_lines() -> tuple[str, str]:
    """The one line that installs livebg and shows it, and the one line that runs its tests."""
    demo, tests = (line for line in _lines("Try it") if line.startswith("python3 -m venv"))
    assert demo.endswith("livebg demo")
    assert tests.endswith("python -m pytest")
    return demo, tests


def keeping_line(tool: str) -> str:
    """The line by which ``pipx`` or ``uv`` installs livebg for good."""
    (line,) = re.findall(rf"`({tool} [^`]*install \.)`", _TEXT)
    return str(line)


def livebg_lines(heading: str) -> list[str]:
    """The lines of a section that begin with ``livebg``, without what the README says behind them."""
    return [line for line in _lines(heading) if line.startswith("livebg ")]


def all_livebg_lines() -> list[str]:
    """Those of all sections, each once."""
    headings = re.findall(r"^##+ (.+)$", _TEXT, re.MULTILINE)
    return list(dict.fromkeys(line for heading in headings for line in livebg_lines(heading)))


def _lines(heading: str) -> list[str]:
    """The lines of code between a heading and the next one, of whatever depth."""
    _, _, rest = re.sub(r"^#+", "#", _TEXT, flags=re.MULTILINE).partition(f"\n# {heading}\n")
    section = re.split(r"\n# ", rest)[0]
    code = "\n".join(re.findall(r"```sh\n(.*?)```", section, re.DOTALL))
    return [re.sub(r"\s+#.*", "", line) for line in code.splitlines()]
