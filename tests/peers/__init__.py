"""livebg beside plain loops: what a frame costs, as a ratio."""
