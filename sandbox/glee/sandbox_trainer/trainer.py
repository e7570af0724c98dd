"""The training loop, in the order in which detectron2's DefaultTrainer does things.

The order matters to whoever reads the errors: model, data, weights. A data set that no one registered is reported only
after the model was built, weights that are missing only after the data was read.
"""

import math
import os
import time

from detectron2.engine.hooks import EvalHook, PeriodicCheckpointer
from detectron2.engine.train_loop import TrainerBase
from detectron2.modeling.meta_arch.build import build_model

from .checkpointer import DetectionCheckpointer
from .evaluation import evaluate, flatten
from .loader import build_train_loader
from .log import Metrics
from .optimizer import Optimizer


class Trainer(TrainerBase):
    """One rank's training."""

    def __init__(self, cfg, gang, log):
        super().__init__(log)
        self.cfg = cfg
        self.gang = gang
        self.model = build_model(cfg, log)
        self.optimizer = Optimizer(cfg, self.model)
        self.data_loader = build_train_loader(cfg, gang)
        self._data_loader_iter = iter(self.data_loader)
        self.checkpointer = DetectionCheckpointer(cfg, gang, log, self.model, self.optimizer)
        self.max_iter = cfg.SOLVER.MAX_ITER
        self.slower_by = _slower_by(gang.rank)
        self.gate = os.getenv("SANDBOX_GATE")
        self.images_folder = os.getenv("SANDBOX_IMAGES")
        self.metrics = Metrics(cfg.OUTPUT_DIR, log, self.max_iter) if gang.rank == 0 else None
        if gang.rank == 0:
            evaluation = [EvalHook(cfg.TEST.EVAL_PERIOD, self._evaluate)] if cfg.DATASETS.TEST else []
            self.register_hooks([PeriodicCheckpointer(self.checkpointer, cfg.SOLVER.CHECKPOINT_PERIOD), *evaluation])

    def resume_or_load(self, resume):
        """The first iteration is that after the last checkpoint's, or 0 with the given weights."""
        rest = self.checkpointer.resume_or_load(self.cfg.MODEL.WEIGHTS, resume=resume)
        if resume and self.checkpointer.has_checkpoint():
            self.start_iter = rest.get("iteration", -1) + 1

    def train(self):
        began = time.monotonic()
        super().train(self.start_iter, self.max_iter)
        spent, count = time.monotonic() - began, self.max_iter - self.start_iter
        if count > 0:
            self.log.info(
                "d2.engine.hooks",
                f"Overall training speed: {count} iterations in {spent:.1f} s ({spent / count:.4f} s / it)",
            )
        # No machine reports success before rank 0 has saved and evaluated.
        self.gang.barrier()

    def run_step(self):
        iteration = self.iter
        self._wait_at_gate(iteration)
        began = time.perf_counter()
        images = next(self._data_loader_iter)
        data_time = time.perf_counter() - began
        self._record(images)
        # GLEE encodes the words of the first image's task.
        assert self.model.dataset_name_dicts[images[0]["dataset_name"]]
        objects = [item for image in images for item in image["objects"]]
        loss_class, loss_box, gradient = self.model.loss_and_gradient(objects)
        self.gang.pause(self.slower_by)

        def check(summed):
            # Only rank 0 sees the mean over all ranks; the others learn of it by losing the connection.
            self._check_finite(iteration, summed[-2] / self.gang.world_size, summed[-1] / self.gang.world_size)

        summed = self.gang.all_reduce([*gradient, loss_class, loss_box], check)
        mean = [value / self.gang.world_size for value in summed]
        self.optimizer.step(mean[:-2], iteration)
        self.gang.pause(self.cfg.SANDBOX.SECONDS_PER_ITERATION - (time.perf_counter() - began))
        if self.metrics:
            loss_class, loss_box = mean[-2:]
            self.metrics.add(total_loss=loss_class + loss_box, loss_ce=loss_class, loss_bbox=loss_box)
            if iteration - self.start_iter >= 3:  # detectron2 leaves out the first three, which warm things up.
                self.metrics.add(time=time.perf_counter() - began, data_time=data_time)
            if (iteration + 1) % self.cfg.SANDBOX.METRICS_PERIOD == 0 or iteration + 1 == self.max_iter:
                self.metrics.write(iteration, self.optimizer.learning_rate(iteration))

    def _record(self, images):
        """SANDBOX_IMAGES=/a/folder: each rank appends what each of its iterations sees to images.rankN in there."""
        if self.images_folder:
            seen = [f"{image['dataset_source']}:{image['image_id']}" for image in images]
            with open(os.path.join(self.images_folder, f"images.rank{self.gang.rank}"), "a") as file:
                file.write(" ".join([str(self.iter), *seen]) + "\n")

    def _wait_at_gate(self, iteration):
        """SANDBOX_GATE=/a/file: while it is there, no rank begins the iteration whose number it holds."""
        while self.gate and _number_in(self.gate) == iteration:
            self.gang.pause(0.02)

    def _check_finite(self, iteration, loss_class, loss_box):
        if not math.isfinite(loss_class + loss_box):
            losses = {"loss_ce": loss_class, "loss_bbox": loss_box}
            raise FloatingPointError(f"Loss became infinite or NaN at iteration={iteration}!\nloss_dict = {losses}")

    def _evaluate(self):
        results = evaluate(self.cfg, self.model, self.log)
        if results:
            # As everything, with the iteration counted from 0; that after the last one is the number of all.
            self.metrics.write_line(self.iter, flatten(results))


def _slower_by(rank):
    """SANDBOX_SLOW_RANK=2:0.05 has rank 2 take 0.05 s more of its own for each iteration."""
    slow, _, seconds = os.getenv("SANDBOX_SLOW_RANK", "").partition(":")
    return float(seconds) if slow == str(rank) else 0.0


def _number_in(file):
    """None where there is no such file, or none yet."""
    try:
        with open(file) as opened:
            return int(opened.read())
    except (FileNotFoundError, ValueError):
        return None


def evaluate_only(cfg, gang, log, resume):
    """--eval-only: rank 0 evaluates MODEL.WEIGHTS, or with --resume the last checkpoint."""
    model = build_model(cfg, log)
    DetectionCheckpointer(cfg, gang, log, model).resume_or_load(cfg.MODEL.WEIGHTS, resume=resume)
    if gang.rank == 0:
        evaluate(cfg, model, log)
    gang.barrier()
