"""See detectron2/__init__.py."""
