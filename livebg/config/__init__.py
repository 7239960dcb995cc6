"""The settings: what they are, where they come from, and the messages about invalid ones."""
