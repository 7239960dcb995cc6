"""Settings: their definitions and defaults, how they are loaded, and the messages about invalid ones."""

import os

# To look for its plugins, pydantic reads the metadata of every installed package. livebg uses none.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
