"""The networks: what they are (``registry``), where they are stored (``store``) and how they are downloaded (``download``)."""

from livebg.models.download import from_package, from_release
from livebg.models.registry import REGISTRY, ModelCard, card_named
from livebg.models.store import LocatedModel, find, models_folder, pull

__all__ = ["REGISTRY", "LocatedModel", "ModelCard", "card_named", "find", "from_package", "from_release", "models_folder", "pull"]
