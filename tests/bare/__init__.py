"""livebg on a machine that has nothing: a fresh Debian, the wheel in an environment of its own, pipx and uv."""
