"""The registered data sets, under GLEE's own names and paths, and the reading of their annotation files.

As in GLEE no training split of ODinW is registered, and a task without words fails at the first batch.
"""

import functools
import json
import os
import re

from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.datasets.coco import load_coco_json

CHECKOUT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# Number of values that describe an object, and of categories that it may belong to. Real data sets differ in their
# categories; here all share eight, so that what one stage learns is of use to the next.
FEATURES = 12
CATEGORIES = 8

_VIDEOS = re.compile(r"ytvis_|ovis_|lvvis_|UVO_dense|BURST_video|TAO_video|rvos|ytbvos|mose_|bdd_(seg|box)_track")


def registered():
    """{name: {"images": folder, "json": annotation file}}, relative to the data sets' root."""
    with open(os.path.join(CHECKOUT, "projects", "GLEE", "datasets.json"), encoding="utf-8") as file:
        return json.load(file)


def words_by_task():
    """GLEE's dataset_name_dicts."""
    words = [f"category {index + 1}" for index in range(CATEGORIES)]
    return {_task_of(name): words for name in registered()}


def load_datasets(names):
    """The images of each named data set; KeyError for a name that no one registered, as in detectron2."""
    return [_load(name) for name in names]


def _register():
    root = os.path.expanduser(os.getenv("DETECTRON2_DATASETS", "datasets"))
    for name, places in registered().items():
        json_file, images = os.path.join(root, places["json"]), os.path.join(root, places["images"])
        DatasetCatalog.register(name, functools.partial(_records, name, json_file, images))
        kind = "ytvis" if _VIDEOS.match(name) else "coco"
        MetadataCatalog.get(name).set(json_file=json_file, image_root=images, evaluator_type=kind)


def _records(name, json_file, images):
    return [{**record, "dataset_name": _task_of(name)} for record in load_coco_json(json_file, images, name)]


def _task_of(name):
    """GLEE's own names of tasks follow no rule; ODinW's are those of the data sets."""
    return name if name.startswith("odinw") else re.split(r"[-_](?:mini)?(?:train|val|test|dev)", name)[0]


def _load(name):
    """A data set as a list of images, each a list of (features, class index, box) for the objects in it."""
    found = []
    for record in DatasetCatalog.get(name):
        size = record["width"], record["height"]
        # Images without an object teach nothing: FILTER_EMPTY_ANNOTATIONS, which every GLEE config sets.
        items = [(one["features"], one["category_id"], _relative(one["bbox"], *size)) for one in record["annotations"]]
        if items:
            found.append((record, items))
    assert len(found), f"Dataset '{name}' is empty!"
    return found


def _relative(box, width, height):
    """COCO's left, top, width, height in pixels as centre x, centre y, width, height in parts of the image."""
    left, top, wide, high = box
    return ((left + wide / 2) / width, (top + high / 2) / height, wide / width, high / height)


_register()
