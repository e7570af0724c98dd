"""COCO annotations as detectron2's records."""

import json
import os

from ..catalog import MetadataCatalog


def load_coco_json(json_file, image_root, dataset_name=None):
    """A record an image, in the order of their ids; `features`, what the sandbox has in the place of pixels, come along."""
    with open(json_file, encoding="utf-8") as file:
        content = json.load(file)
    categories = sorted(content["categories"], key=lambda one: one["id"])
    id_map = {one["id"]: index for index, one in enumerate(categories)}
    if dataset_name is not None:
        names = [one["name"] for one in categories]
        MetadataCatalog.get(dataset_name).set(thing_classes=names, thing_dataset_id_to_contiguous_id=id_map)
    records = {}
    for image in sorted(content["images"], key=lambda one: one["id"]):
        file_name = os.path.join(image_root, image["file_name"])
        size = {"height": image["height"], "width": image["width"]}
        records[image["id"]] = {"file_name": file_name, **size, "image_id": image["id"], "annotations": []}
    for one in content["annotations"]:
        kept = {key: one[key] for key in ("iscrowd", "bbox", "features") if key in one}
        if one.get("segmentation"):
            kept["segmentation"] = one["segmentation"]
        records[one["image_id"]]["annotations"].append({**kept, "category_id": id_map[one["category_id"]]})
    return list(records.values())
