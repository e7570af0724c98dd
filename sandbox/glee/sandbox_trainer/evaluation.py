"""Evaluation on DATASETS.TEST: COCO's AP, as far as it makes sense when every object is known to be there.

Each object gets each class's probability as a score. A class's average precision comes from ranking all objects by its
score; an object counts as found when it is of the class and its predicted box overlaps the true one enough.
"""

import json
import os

from .catalog import CATEGORIES, load_datasets

_OVERLAPS = [0.5 + 0.05 * step for step in range(10)]
_LOGGER = "d2.evaluation.testing"


def evaluate(cfg, model, log):
    """{"bbox": {"AP": ...}}, or one of these a test set when there are several; detections go to inference/."""
    results = {}
    for name in cfg.DATASETS.TEST:
        (images,) = load_datasets([name])
        log.info("d2.evaluation.evaluator", f"Start inference on {len(images)} batches")
        detections, found = _infer(model, images)
        folder = os.path.join(cfg.OUTPUT_DIR, "inference", name)
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "coco_instances_results.json"), "w", encoding="utf-8") as file:
            file.write(json.dumps(detections))
        scores = _scores(found)
        results[name] = {"bbox": scores}
        log.info("d2.engine.defaults", f"Evaluation results for {name} in csv format:")
        log.info(_LOGGER, "copypaste: Task: bbox")
        log.info(_LOGGER, "copypaste: " + ",".join(scores))
        log.info(_LOGGER, "copypaste: " + ",".join(f"{value:.4f}" for value in scores.values()))
    return next(iter(results.values())) if len(results) == 1 else results


def flatten(results, prefix=""):
    """Nested results as metrics.json has them: {"bbox/AP": ...}"""
    flat = {}
    for key, value in results.items():
        flat.update(flatten(value, f"{prefix}{key}/") if isinstance(value, dict) else {prefix + key: value})
    return flat


def _infer(model, images):
    """COCO's list of detections, and (class probabilities, true class, overlap) of each object."""
    detections, found = [], []
    for image, objects in images:
        for features, label, truth in objects:
            probabilities, (x, y, wide, high) = model.predict(features)
            score = max(probabilities)
            box = [(x - wide / 2) * image["width"], (y - high / 2) * image["height"]]
            box += [wide * image["width"], high * image["height"]]
            detections.append(
                {
                    "image_id": image["id"],
                    "category_id": probabilities.index(score) + 1,
                    "bbox": [round(value, 3) for value in box],
                    "score": round(score, 5),
                }
            )
            found.append((probabilities, label, _overlap((x, y, wide, high), truth)))
    return detections, found


def _scores(found):
    by_class = []  # For each class that occurs: (is it of the class, overlap), by falling score.
    for label in range(CATEGORIES):
        if any(truth == label for _, truth, _ in found):
            ranked = sorted(found, key=lambda item: -item[0][label])
            by_class.append([(truth == label, overlap) for _, truth, overlap in ranked])
    precisions = [
        100.0 * sum(_average_precision(ranked, least) for ranked in by_class) / len(by_class) for least in _OVERLAPS
    ]
    return {"AP": sum(precisions) / len(precisions), "AP50": precisions[0], "AP75": precisions[5]}


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
