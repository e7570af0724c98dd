"""detectron2's hooks that save and evaluate."""

from detectron2.engine.train_loop import HookBase


class PeriodicCheckpointer(HookBase):
    """Checkpoints are numbered by the iteration, counted from 0; the last one is saved once more as model_final."""

    def __init__(self, checkpointer, period):
        self.checkpointer = checkpointer
        self.period = period

    def after_step(self):
        iteration = self.trainer.iter
        if (iteration + 1) % self.period == 0:
            self.checkpointer.save(f"model_{iteration:07d}", iteration=iteration)
        if iteration + 1 >= self.trainer.max_iter:
            self.checkpointer.save("model_final", iteration=iteration)


class EvalHook(HookBase):
    """Evaluates every so many iterations, and after the last one in any case."""

    def __init__(self, eval_period, eval_function):
        self._period = eval_period
        self._func = eval_function

    def _do_eval(self):
        self._func()

    def after_step(self):
        following = self.trainer.iter + 1
        if self._period > 0 and following % self._period == 0 and following != self.trainer.max_iter:
            self._do_eval()

    def after_train(self):
        # Not after a training that failed.
        if self.trainer.iter + 1 >= self.trainer.max_iter:
            self._do_eval()
