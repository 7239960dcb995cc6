"""Lists the packages in this Python environment, as Markdown: what a package of livebg bundles, its licenses and sources."""

import sys
from importlib.metadata import Distribution, PackageMetadata, distributions

_HEADER = """\
The Python packages that this package of livebg contains, under /usr/lib/livebg, as their authors published them.
requirements.txt, beside this file, has the versions and the SHA-256 of the published files, that of the source
distribution of each among them. The license texts are in lib/python3*/site-packages/*.dist-info.
"""


def main() -> None:
    """Write the list to standard output, in a stable order."""
    found = sorted((each for each in distributions() if each.name != "livebg"), key=lambda each: each.name.lower())
    sys.stdout.write("\n".join([_HEADER, *map(_entry, found), ""]))


def _entry(package: Distribution) -> str:
    fields = package.metadata
    kinds = [value.split(" :: ")[-1] for value in fields.get_all("Classifier", []) if value.startswith("License ::")]
    license_ = _field(fields, "License-Expression") or ", ".join(kinds) or _field(fields, "License") or "unknown"
    addresses = dict(line.split(", ", 1) for line in fields.get_all("Project-URL", []))
    known = {name.lower(): address for name, address in addresses.items()}
    names = ("source", "source code", "repository", "homepage", "home", "documentation")
    address = next((known[name] for name in names if name in known), None) or _field(fields, "Home-page") or "unknown"
    return f"{package.name} {package.version}\n  license: {license_.splitlines()[0]}\n  project: {address}\n"


def _field(fields: PackageMetadata, name: str) -> str:
    return next(iter(fields.get_all(name, [])), "")


if __name__ == "__main__":
    main()
