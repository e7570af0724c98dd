"""detectron2's catalogues."""

from .catalog import DatasetCatalog, MetadataCatalog  # noqa: F401
