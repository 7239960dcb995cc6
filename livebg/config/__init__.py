"""Settings: their definitions and defaults, how they are loaded, and the messages about invalid ones."""
