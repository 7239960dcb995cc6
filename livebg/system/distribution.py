"""What the machine's distribution calls things."""

from typing import Final

from livebg.system.host import Host

_FAMILIES: Final = {
    "debian": ("sudo apt install {}", "v4l2loopback-dkms", "linux-headers-{release}"),
    "fedora": ("sudo dnf install {}", "akmod-v4l2loopback", "kernel-devel-{release}"),
    "arch": ("sudo pacman -S {}", "v4l2loopback-dkms", "linux-headers"),
    "suse": ("sudo zypper install {}", "v4l2loopback-kmp-default", "kernel-default-devel"),
}
"""How to install, the loopback module's package, and the kernel headers that it is built with."""
_RELATIVES: Final = {"ubuntu": "debian", "rhel": "fedora", "opensuse": "suse", "sles": "suse"}


def install_module(host: Host) -> str:
    """The command that installs v4l2loopback with the headers it needs."""
    family = _family(host)
    if family is None:
        return "install your distribution's package of v4l2loopback, and the headers of the running kernel"
    command, module, headers = family
    return command.format(f"{module} {headers.format(release=host.release)}")


def install_headers(host: Host) -> str:
    family = _family(host)
    if family is None:
        return f"install the headers of the kernel {host.release}"
    command, _, headers = family
    return command.format(headers.format(release=host.release))


def install_package(host: Host, package: str) -> str:
    """The command that installs a package of this name."""
    family = _family(host)
    return family[0].format(package) if family else f"install {package}"


def _family(host: Host) -> tuple[str, str, str] | None:
    for name in _names(host):
        family = _FAMILIES.get(_RELATIVES.get(name, name))
        if family:
            return family
    return None


def _names(host: Host) -> list[str]:
    """The distribution's own name and then those it is like, as /etc/os-release tells."""
    lines = (host.read("/etc/os-release") or host.read("/usr/lib/os-release") or "").splitlines()
    told = {key: value.strip("\"'") for key, _, value in (line.partition("=") for line in lines)}
    return [part for name in (told.get("ID", ""), *told.get("ID_LIKE", "").split()) for part in (name, name.partition("-")[0])]
