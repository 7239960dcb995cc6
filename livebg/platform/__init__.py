"""What the operating system provides to every layer: user folders, signals and atomic writes."""
