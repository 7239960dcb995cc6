"""Where composites go."""
