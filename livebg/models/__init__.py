"""The networks: which there are (``registry``), where they lie (``cache``), and where they come from (``download``)."""

from livebg.models.cache import LocatedModel, find, models_folder, pull
from livebg.models.download import from_package, from_release
from livebg.models.registry import REGISTRY, ModelCard, card_named

__all__ = ["REGISTRY", "LocatedModel", "ModelCard", "card_named", "find", "from_package", "from_release", "models_folder", "pull"]
