"""The registered data sets, under GLEE's own names and paths, and the reading of their annotation files."""

import json
import os

CHECKOUT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# Number of values that describe an object, and of categories that it may belong to. Real data sets differ in their
# categories; here all share eight, so that what one stage learns is of use to the next.
FEATURES = 12
CATEGORIES = 8


def registered():
    """{name: {"images": folder, "json": annotation file}}, relative to the data sets' root."""
    with open(os.path.join(CHECKOUT, "projects", "GLEE", "datasets.json"), encoding="utf-8") as file:
        return json.load(file)


def load_datasets(names):
    """The images of each named data set; KeyError for a name that nobody registered, as in detectron2."""
    catalog = registered()
    root = os.path.expanduser(os.getenv("DETECTRON2_DATASETS", "datasets"))
    return [_load(name, catalog, root) for name in names]


def _load(name, catalog, root):
    """A data set as a list of images, each a list of (features, class index, box) for the objects in it."""
    if name not in catalog:
        raise KeyError(f"Dataset '{name}' is not registered! Available datasets are: {', '.join(catalog)}")
    with open(os.path.join(root, catalog[name]["json"]), encoding="utf-8") as file:
        content = json.load(file)
    images = {image["id"]: image for image in content["images"]}
    objects = {image_id: [] for image_id in images}
    for annotation in content["annotations"]:
        image = images[annotation["image_id"]]
        box = _relative(annotation["bbox"], image["width"], image["height"])
        objects[image["id"]].append((annotation["features"], annotation["category_id"] - 1, box))
    # Images without an object teach nothing: FILTER_EMPTY_ANNOTATIONS, which every GLEE config sets.
    found = [(images[image_id], items) for image_id, items in objects.items() if items]
    assert len(found), f"Dataset '{name}' is empty!"
    return found


def _relative(box, width, height):
    """COCO's left, top, width, height in pixels as centre x, centre y, width, height in parts of the image."""
    left, top, wide, high = box
    return ((left + wide / 2) / width, (top + high / 2) / height, wide / width, high / height)
