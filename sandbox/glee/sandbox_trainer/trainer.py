"""The training loop, in the order in which detectron2's DefaultTrainer does things.

The order matters to whoever reads the errors: model, data, weights. A data set that nobody registered is reported only
after the model was built, weights that are missing only after the data was read.
"""

import math
import time

from detectron2.engine.hooks import EvalHook, PeriodicCheckpointer
from detectron2.engine.train_loop import TrainerBase

from .catalog import load_datasets
from .checkpointer import DetectionCheckpointer
from .evaluation import evaluate, flatten
from .log import Metrics
from .model import Model
from .optimizer import Optimizer
from .sampler import Sampler
from .torch_file import load


def build_model(cfg, log):
    """The model with its backbone's pretrained weights, if the variant has any."""
    model = Model(cfg.MODEL.BACKBONE.NAME, max(cfg.SEED, 0))
    pretrained = cfg.MODEL[model.pretrained_node].PRETRAINED_WEIGHT if model.pretrained_node else None
    if pretrained:
        log.info("d2.modeling.backbone", f"Loading pretrained backbone from {pretrained}")
        model.load_state_dict({"glee.backbone." + name: tensor for name, tensor in load(pretrained)["model"].items()})
    return model


class Trainer(TrainerBase):
    """One rank's training."""

    def __init__(self, cfg, gang, log):
        super().__init__(log)
        self.cfg = cfg
        self.gang = gang
        self.model = build_model(cfg, log)
        self.optimizer = Optimizer(cfg, self.model)
        several = cfg.DATALOADER.SAMPLER_TRAIN == "MultiDatasetSampler"
        datasets = load_datasets(cfg.DATASETS.TRAIN if several else cfg.DATASETS.TRAIN[:1])
        self.sampler = Sampler(cfg, datasets, gang.rank, gang.world_size)
        self.checkpointer = DetectionCheckpointer(cfg, gang, log, self.model, self.optimizer)
        self.max_iter = cfg.SOLVER.MAX_ITER
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
        began = time.perf_counter()
        images = self.sampler.batch(iteration)
        data_time = time.perf_counter() - began
        objects = [item for _, found in images for item in found]
        loss_class, loss_box, gradient = self.model.loss_and_gradient(objects)

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

    def _check_finite(self, iteration, loss_class, loss_box):
        if not math.isfinite(loss_class + loss_box):
            losses = {"loss_ce": loss_class, "loss_bbox": loss_box}
            raise FloatingPointError(f"Loss became infinite or NaN at iteration={iteration}!\nloss_dict = {losses}")

    def _evaluate(self):
        self.metrics.write_line(min(self.iter + 1, self.max_iter), flatten(evaluate(self.cfg, self.model, self.log)))


def evaluate_only(cfg, gang, log, resume):
    """--eval-only: rank 0 evaluates MODEL.WEIGHTS, or with --resume the last checkpoint."""
    model = build_model(cfg, log)
    DetectionCheckpointer(cfg, gang, log, model).resume_or_load(cfg.MODEL.WEIGHTS, resume=resume)
    if gang.rank == 0:
        evaluate(cfg, model, log)
    gang.barrier()
