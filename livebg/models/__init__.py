"""The networks: what they are (``registry``), and where they are stored and downloaded to (``store``)."""

from livebg.models.registry import REGISTRY, ModelCard, card_named
from livebg.models.store import LocatedModel, find, models_folder, pull

__all__ = ["REGISTRY", "LocatedModel", "ModelCard", "card_named", "find", "models_folder", "pull"]
