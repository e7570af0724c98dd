"""The training loop and what may hook into it, as detectron2 has them."""

_LOGGER = "d2.engine.train_loop"


class HookBase:
    """Called around the training and around each iteration; `trainer` is set when it is registered."""

    trainer = None

    def before_train(self):
        pass

    def after_train(self):
        pass

    def before_step(self):
        pass

    def after_step(self):
        pass


class TrainerBase:
    """A loop of run_step, which a subclass has, and hooks. `iter` counts from 0."""

    def __init__(self, log):
        self.log = log
        self._hooks = []
        self.iter = self.start_iter = 0
        self.max_iter = 0

    def register_hooks(self, hooks):
        for hook in hooks:
            assert isinstance(hook, HookBase)
            hook.trainer = self
        self._hooks.extend(hooks)

    def train(self, start_iter, max_iter):
        self.log.info(_LOGGER, f"Starting training from iteration {start_iter}")
        self.iter = self.start_iter = start_iter
        self.max_iter = max_iter
        try:
            self._call("before_train")
            for self.iter in range(start_iter, max_iter):
                self._call("before_step")
                self.run_step()
                self._call("after_step")
            self.iter += 1
        except Exception:
            self.log.exception(_LOGGER, "Exception during training:")
            raise
        finally:
            self._call("after_train")

    def _call(self, moment):
        for hook in self._hooks:
            getattr(hook, moment)()
