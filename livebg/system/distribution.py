"""Package names and install commands of the Linux distribution."""

from typing import Final

from livebg.system.host import Host

_FAMILIES: Final = {
    "debian": ("sudo apt install {}", "v4l2loopback-dkms", "linux-headers-{release}"),
    "fedora": ("sudo dnf install {}", "akmod-v4l2loopback", "kernel-devel-{release}"),
    "arch": ("sudo pacman -S {}", "v4l2loopback-dkms", "linux-headers"),
    "suse": ("sudo zypper install {}", "v4l2loopback-kmp-default", "kernel-default-devel"),
}
"""Install command, package of the v4l2loopback module, and package of the kernel headers needed to build it."""
_ALIASES: Final = {"ubuntu": "debian", "rhel": "fedora", "opensuse": "suse", "sles": "suse"}


def install_module(host: Host) -> str:
    """Return the command that installs v4l2loopback and the kernel headers."""
    family = _family(host)
    if family is None:
        return "Install your distribution's v4l2loopback package and the headers of the running kernel"
    command, module, headers = family
    return command.format(f"{module} {headers.format(release=host.release)}")


def install_headers(host: Host) -> str:
    """Return the command that installs the headers of the running kernel."""
    family = _family(host)
    if family is None:
        return f"Install the headers of kernel {host.release}"
    command, _, headers = family
    return command.format(headers.format(release=host.release))


def install_package(host: Host, package: str) -> str:
    """Return the command that installs ``package``."""
    family = _family(host)
    return family[0].format(package) if family else f"Install {package}"


def _family(host: Host) -> tuple[str, str, str] | None:
    for name in _names(host):
        family = _FAMILIES.get(_ALIASES.get(name, name))
        if family:
            return family
    return None


def _names(host: Host) -> list[str]:
    """Return the distribution's ID, then those in ID_LIKE, from /etc/os-release."""
    lines = (host.read("/etc/os-release") or host.read("/usr/lib/os-release") or "").splitlines()
    fields = {key: value.strip("\"'") for key, _, value in (line.partition("=") for line in lines)}
    names = (fields.get("ID", ""), *fields.get("ID_LIKE", "").split())
    return [part for name in names for part in (name, name.partition("-")[0])]
