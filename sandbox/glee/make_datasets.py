#!/usr/bin/env python3
"""Writes the annotation files of data sets, made up but learnable, at the paths where GLEE looks for them.

    python3 make_datasets.py FOLDER [NAME ...]

FOLDER is what DETECTRON2_DATASETS will name. Without names: all data sets that GLEE's configs use, the thirteen of ODinW
with the training splits that GLEE does not register (by the name of the validation split and `_train`), and the whole of
SA-1B, since `sa1b_32_train` (registered nowhere) has to be replaced by one of its subsets. Equal names give equal
bytes. A file appears under its name once it is complete, so several of these may run at the same time.

An annotation is COCO's, with one more key, `features`: what a backbone would see of the object. There are no image
files. Category and box follow from the features by one hidden rule, the same for all data sets; each data set covers a
region of its own. So a model that learned some data sets knows part of the others, as GLEE's stages count on.
"""

import glob
import json
import math
import os
import re
import sys

from sandbox_trainer.catalog import CATEGORIES, CHECKOUT, FEATURES, registered
from sandbox_trainer.config import load_config
from sandbox_trainer.draws import Draws

IMAGES = 64
WIDTH, HEIGHT = 640, 480
RULE_UNITS = 10


def main(arguments):
    if not arguments or arguments[0].startswith("-"):
        sys.exit(__doc__.strip())
    folder, *names = arguments
    catalog = {**registered(), **odinw_training_splits()}
    for name in names:
        if name not in catalog:
            sys.exit(f"Data set '{name}' is not registered in projects/GLEE/datasets.json.")
    rule = Rule()
    for name in names or default_names(catalog):
        write(os.path.join(folder, catalog[name]["json"]), make(name, catalog[name]["images"], rule))


def default_names(catalog):
    names = [name for name in catalog if name.startswith(("sa1b_", "odinw"))]
    configs = os.path.join(CHECKOUT, "projects/GLEE/configs")
    for path in sorted(glob.glob(f"{configs}/images/*/Stage*.yaml") + glob.glob(f"{configs}/videos/*/*.yaml")):
        datasets = load_config(path, []).DATASETS
        names += [name for name in (*datasets.TRAIN, *datasets.TEST) if name in catalog]
    return sorted(set(names))


def odinw_training_splits():
    """They lie beside the validation splits."""
    splits = {}
    for name, places in registered().items():
        if name.startswith("odinw"):
            beside = {key: re.sub(r"/(mini_)?val(id)?(?=/|$|_)", "/train", path) for key, path in places.items()}
            splits[f"{name}_train"] = beside
    return splits


class Rule:
    """The hidden rule that a model has to find: a random two-layer network."""

    def __init__(self):
        draws = Draws("rule")
        self.units = draws.matrix(RULE_UNITS, FEATURES, 1.0)
        self.classes = draws.matrix(CATEGORIES, RULE_UNITS, 2.0)
        self.boxes = draws.matrix(4, RULE_UNITS, 1.0)

    def apply(self, features):
        """The class index, and the box as centre and size in parts of the image."""
        units = [math.tanh(sum(a * b for a, b in zip(row, features))) for row in self.units]
        scores = [sum(a * b for a, b in zip(row, units)) for row in self.classes]
        x, y, wide, high = (math.tanh(sum(a * b for a, b in zip(row, units)) / 2) for row in self.boxes)
        return scores.index(max(scores)), (0.5 + 0.2 * x, 0.5 + 0.2 * y, 0.3 + 0.2 * wide, 0.3 + 0.2 * high)


def make(name, image_folder, rule):
    # A validation split shows what its training split shows, in other images.
    family = Draws("region", re.split(r"[-_](?:mini)?(?:train|val|test|dev)", name)[0])
    centre = [family.uniform(-1.2, 1.2) for _ in range(FEATURES)]
    draws = Draws("data set", name)
    images, annotations = [], []
    for image_id in range(1, IMAGES + 1):
        file_name = f"{image_id:012d}.jpg"
        images.append({"id": image_id, "file_name": file_name, "width": WIDTH, "height": HEIGHT})
        for _ in range(1 + draws.below(4)):
            features = [round(middle + draws.uniform(-1.0, 1.0), 3) for middle in centre]
            label, (x, y, wide, high) = rule.apply(features)
            box = [(x - wide / 2) * WIDTH, (y - high / 2) * HEIGHT, wide * WIDTH, high * HEIGHT]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": label + 1,
                    "bbox": [round(value, 2) for value in box],
                    "area": round(box[2] * box[3], 2),
                    "iscrowd": 0,
                    "features": features,
                }
            )
    info = {"description": f"made up for the sandbox in the place of {name}", "image_folder": image_folder}
    categories = [{"id": index + 1, "name": f"category {index + 1}"} for index in range(CATEGORIES)]
    return {"info": info, "images": images, "annotations": annotations, "categories": categories}


def write(path, content):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    temporary = f"{path}.{os.getpid()}.tmp"
    with open(temporary, "w", encoding="utf-8") as file:
        # dumps, not dump: only the former uses json's C encoder.
        file.write(json.dumps(content))
    os.replace(temporary, path)


if __name__ == "__main__":
    main(sys.argv[1:])
