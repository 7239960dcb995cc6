"""livebg on a bare machine: a fresh Debian, with the wheel in its own environment, by pipx and by uv."""
