"""Evaluation on DATASETS.TEST: COCO's AP, as far as it makes sense when every object is known to be there.

Each object gets each class's probability as a score. A class's average precision comes from ranking all objects by its
score; an object counts as found when it is of the class and its predicted box overlaps the true one enough.
"""

import json
import os

from detectron2.data import MetadataCatalog
from detectron2.engine import defaults

from .catalog import CATEGORIES, load_datasets

_OVERLAPS = [0.5 + 0.05 * step for step in range(10)]
# In square pixels.
_SIZES = {"APs": (0, 32**2), "APm": (32**2, 96**2), "APl": (96**2, float("inf"))}
_LOGGER = "d2.evaluation.testing"


def evaluate(cfg, model, log):
    """{"bbox": {"AP": ...}}, or one of these a test set when there are several. Detections go to inference/, those of
    each test set over the last one's, as GLEE leaves them."""
    results = {}
    folder = os.path.join(cfg.OUTPUT_DIR, "inference")
    os.makedirs(folder, exist_ok=True)
    for name in cfg.DATASETS.TEST:
        (images,) = load_datasets([name])
        log.info("d2.evaluation.evaluator", f"Start inference on {len(images)} batches")
        results[name] = defaults.inference_on_dataset(model, images, _Evaluator(name, folder, log))
        log.info("d2.engine.defaults", f"Evaluation results for {name} in csv format:")
        for task, scores in results[name].items():
            log.info(_LOGGER, f"copypaste: Task: {task}")
            log.info(_LOGGER, "copypaste: " + ",".join(scores))
            log.info(_LOGGER, "copypaste: " + ",".join(f"{value:.4f}" for value in scores.values()))
    return next(iter(results.values())) if len(results) == 1 else results


class _Evaluator:
    """Its attributes are those of detectron2's evaluators."""

    def __init__(self, name, folder, log):
        self._metadata = MetadataCatalog.get(name)
        self._output_dir = folder
        self._log = log

    def evaluate(self, model, images):
        detections, found = _infer(model, images)
        # GLEE's YTVISEvaluator writes down what a server or a toolkit judges, and computes nothing.
        is_video = self._metadata.evaluator_type == "ytvis"
        path = os.path.join(self._output_dir, "results.json" if is_video else "coco_instances_results.json")
        self._log.info("d2.evaluation.coco_evaluation", f"Saving results to {path}")
        with open(path, "w", encoding="utf-8") as file:
            file.write(json.dumps(detections))
        if is_video:
            self._log.info("d2.projects.glee.data.ytvis_eval", "Annotations are not available for evaluation.")
        return {} if is_video else {"bbox": _scores(found)}


def flatten(results, prefix=""):
    """Nested results as metrics.json has them: {"bbox/AP": ...}"""
    flat = {}
    for key, value in results.items():
        flat.update(flatten(value, f"{prefix}{key}/") if isinstance(value, dict) else {prefix + key: value})
    return flat


def _infer(model, images):
    """COCO's list of detections, and (class probabilities, true class, overlap, area in pixels) of each object."""
    detections, found = [], []
    for image, objects in images:
        assert model.num_class[image["dataset_name"]]
        for features, label, truth in objects:
            probabilities, (x, y, wide, high) = model.predict(features)
            score = max(probabilities)
            box = [(x - wide / 2) * image["width"], (y - high / 2) * image["height"]]
            box += [wide * image["width"], high * image["height"]]
            detections.append(
                {
                    "image_id": image["image_id"],
                    "category_id": probabilities.index(score) + 1,
                    "bbox": [round(value, 3) for value in box],
                    "score": round(score, 5),
                }
            )
            area = truth[2] * image["width"] * truth[3] * image["height"]
            found.append((probabilities, label, _overlap((x, y, wide, high), truth), area))
    return detections, found


def _scores(found):
    """COCO's figures; NaN, as in detectron2, where there are no objects of that size."""
    precisions = _precisions(found)
    scores = {"AP": _mean(precisions), "AP50": precisions[0], "AP75": precisions[5]}
    for name, (least, most) in _SIZES.items():
        scores[name] = _mean(_precisions([item for item in found if least <= item[3] < most]))
    return scores


def _precisions(found):
    """Mean over the classes, for each overlap."""
    by_class = []  # For each class that occurs: (is it of the class, overlap), by falling score.
    for label in range(CATEGORIES):
        if any(item[1] == label for item in found):
            ranked = sorted(found, key=lambda item: -item[0][label])
            by_class.append([(truth == label, overlap) for _, truth, overlap, _ in ranked])
    if not by_class:
        return [float("nan")]
    return [100.0 * sum(_average_precision(ranked, least) for ranked in by_class) / len(by_class) for least in _OVERLAPS]


def _mean(values):
    return sum(values) / len(values)


def _average_precision(ranked, least_overlap):
    hits, total = 0, 0.0
    for place, (is_class, overlap) in enumerate(ranked, 1):
        if is_class and overlap >= least_overlap:
            hits += 1
            total += hits / place
    return total / sum(is_class for is_class, _ in ranked)


def _overlap(one, other):
    """Intersection over union of two boxes given as centre and size."""
    shared = 1.0
    for axis in (0, 1):
        low = max(one[axis] - one[axis + 2] / 2, other[axis] - other[axis + 2] / 2)
        high = min(one[axis] + one[axis + 2] / 2, other[axis] + other[axis + 2] / 2)
        shared *= max(0.0, high - low)
    return shared / (one[2] * one[3] + other[2] * other[3] - shared) if shared else 0.0
