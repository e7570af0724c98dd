"""Registers the data sets that the plan declares, and tells GLEE's model of them: in every rank, before it is built.

In detectron2's catalogues each has COCO annotations, read by detectron2's own load_coco_json, with the task as each
record's `dataset_name`. GLEE takes category names from `dataset_name_dicts`, and knows tasks in more places: the numbers
of their classes, embeddings of noised labels, and which have boxes alone.

A part of a data set is drawn by a seed, the same in any Python on any host. Images are put in the order of the SHA-256
of `seed/name/image id`, as text. Then, category by category in the order of their ids, images that hold the category
are taken in that order until `shots` of those taken hold it, or there are no more.

    GLEE_DATASETS_FILE   JSON, a list of {name, annotations, images, task, words?, fewShot?: {shots, seed}}, with paths
                         relative to DETECTRON2_DATASETS; without it nothing is hooked

(Not called `datasets`: a package of that name may be installed.)
"""

import functools
import json
import os
import sys
from hashlib import sha256

import trainer_phases
from import_hooks import note, say, when_imported

_registered = set()


def place():
    if os.environ.get("GLEE_DATASETS_FILE"):
        when_imported("detectron2.modeling.meta_arch.build", _hook_build)


def _hook_build(module):
    build = module.build_model

    @functools.wraps(build)
    def told_build(*args, **kwargs):
        declared = _declared()
        _register(declared)
        model = build(*args, **kwargs)
        _tell(model, declared)
        return model

    module.build_model = told_build


def draw(images, shots, seed, name):
    """Ids of the images drawn from {image id: ids of the categories in it}."""
    order = sorted(images, key=lambda image: (sha256(f"{seed}/{name}/{image}".encode()).hexdigest(), str(image)))
    taken = set()
    for category in sorted({category for found in images.values() for category in found}):
        holders = [image for image in order if category in images[image]]
        missing = shots - sum(image in taken for image in holders)
        taken.update([image for image in holders if image not in taken][: max(0, missing)])
    return taken


def _declared():
    with open(os.environ["GLEE_DATASETS_FILE"], encoding="utf-8") as file:
        declared = json.load(file)
    root = os.path.expanduser(os.environ.get("DETECTRON2_DATASETS", "datasets"))
    paths = ("annotations", "images")
    return [{**dataset, **{key: os.path.join(root, dataset[key]) for key in paths}} for dataset in declared]


def _register(declared):
    from detectron2.data import DatasetCatalog, MetadataCatalog

    for dataset in declared:
        name = dataset["name"]
        if name in _registered or _is_there(name, dataset, DatasetCatalog, MetadataCatalog):
            continue
        DatasetCatalog.register(name, functools.partial(_load, dataset))
        files = {"json_file": dataset["annotations"], "image_root": dataset["images"]}
        MetadataCatalog.get(name).set(**files, evaluator_type="coco")
        _registered.add(name)


def _is_there(name, dataset, catalog, metadata):
    """Whether the checkout registers the very same; another one of this name must not be trained on in its place."""
    if name not in catalog.list():
        return False
    there = metadata.get(name)
    pairs = ((there.get("json_file"), dataset["annotations"]), (there.get("image_root"), dataset["images"]))
    same = all(one and os.path.abspath(one) == os.path.abspath(other) for one, other in pairs)
    if not same or dataset.get("fewShot"):
        sys.exit(
            f"glee: data set {name} is registered already, with {there.get('json_file')}; declared is "
            f"{dataset['annotations']}: give the declared one another name"
        )
    return True


def _load(dataset):
    """detectron2's records of the data set, or of the part of it that the seed draws."""
    from detectron2.data.datasets.coco import load_coco_json

    name, few = dataset["name"], dataset.get("fewShot")
    records = load_coco_json(dataset["annotations"], dataset["images"], name)
    for record in records:
        record["dataset_name"] = dataset["task"]
    if few is None:
        return records
    held = {record["image_id"]: _categories_in(record) for record in records}
    taken = draw(held, few["shots"], few["seed"], name)
    drawn = [record for record in records if record["image_id"] in taken]
    if trainer_phases.is_first_of_machine():
        say(f"glee: {name}: {len(drawn)} of {len(records)} images, drawn by seed {few['seed']}")
    return drawn


def _categories_in(record):
    # In the order of the ids, as the contiguous ones that detectron2 puts in their place are.
    return {one["category_id"] for one in record.get("annotations", []) if not one.get("iscrowd", 0)}


def _tell(model, declared):
    """Every place where GLEE's model has a table by task gets the declared ones."""
    names = getattr(model, "dataset_name_dicts", None)
    if names is None:
        note("dataset_name_dicts", AttributeError(f"{type(model).__name__} has none: is this GLEE?"))
        return
    tasks = {}
    for dataset in declared:
        tasks.setdefault(dataset["task"], []).append(dataset)
    for task, datasets in tasks.items():
        words, has_masks = _words_of(task, datasets, names.get(task))
        names[task] = words
        _count_classes(model, task, len(words))
        if not has_masks:
            _expect_boxes_alone(model, task)


def _words_of(task, datasets, known):
    """The words for the task's categories, and whether the data sets have masks. All of its data sets must agree."""
    categories, has_masks = None, True
    for dataset in datasets:
        with open(dataset["annotations"], encoding="utf-8") as file:
            content = json.load(file)
        found = [one["name"] for one in sorted(content["categories"], key=lambda one: one["id"])]
        has_masks = has_masks and any(one.get("segmentation") for one in content["annotations"])
        if categories is not None and found != categories:
            sys.exit(f"glee: data set {dataset['name']} has the categories {found}, others of {task} {categories}")
        categories = found
    words = next((dataset["words"] for dataset in datasets if dataset.get("words")), None)
    for said, whose in ((words, "the config has words for"), (known, "GLEE has words for")):
        if said is not None and len(said) != len(categories):
            sys.exit(f"glee: data sets of {task} have {len(categories)} categories, and {whose} {len(said)}")
    return list(words or known or categories), has_masks


def _count_classes(model, task, count):
    predictor = getattr(getattr(model, "glee", None), "predictor", None)
    # The model's for inference, the criterion's for its loss, the decoder's for labels that it noises.
    tables = [(model, "num_class"), (getattr(model, "criterion", None), "num_classes"), (predictor, "num_classes")]
    for owner, table in tables:
        found = getattr(owner, table, None)
        if isinstance(found, dict):
            found.setdefault(task, count)
    embeddings = getattr(predictor, "label_enc", None)
    if isinstance(embeddings, dict) and task not in embeddings:
        embeddings[task] = _label_embedding(embeddings, count)


def _label_embedding(embeddings, count):
    """Those of GLEE's that stand for no category in particular: 100, or 200, drawn again for each batch.

    None is added, so that every checkpoint still fits.
    """
    table, size = ("obj365", 100) if count <= 100 else ("vg", 200)
    # Looked up when it is called: the model's modules may be moved after.
    return lambda labels: embeddings[table](labels % size)


def _expect_boxes_alone(model, task):
    """GLEE has lists of such tasks, and one in the midst of a function: it gets a name from there."""
    for owner in (getattr(model, "criterion", None), getattr(model, "glee", None)):
        tasks = getattr(owner, "no_mask_tasks", None)
        if isinstance(tasks, list) and task not in tasks:
            tasks.append(task)
    prepare = getattr(model, "prepare_targets", None)
    if prepare is None:
        return

    @functools.wraps(prepare)
    def prepare_boxes(batched_inputs, targets, images, prompt_list, asked):
        return prepare(batched_inputs, targets, images, prompt_list, "bdd_det" if asked == task else asked)

    model.prepare_targets = prepare_boxes
