"""SGD with momentum, as torch.optim.SGD steps, and detectron2's WarmupMultiStepLR."""

import math

from .torch_file import Tensor


class Optimizer:
    """Updates a model in place; its state is one momentum buffer of the model's size."""

    def __init__(self, cfg, model):
        if cfg.SOLVER.OPTIMIZER != "SGD":
            raise NotImplementedError(f"no optimizer type {cfg.SOLVER.OPTIMIZER}")
        self.solver = cfg.SOLVER
        self.model = model
        self.buffer = [0.0] * len(model.values)
        self.next_rate = self.learning_rate(0)

    def learning_rate(self, iteration):
        solver = self.solver
        rate = solver.BASE_LR * solver.GAMMA ** sum(1 for step in solver.STEPS if step <= iteration)
        if iteration < solver.WARMUP_ITERS:
            alpha = iteration / solver.WARMUP_ITERS
            rate *= solver.WARMUP_FACTOR * (1 - alpha) + alpha
        return rate

    def step(self, gradient, iteration):
        solver = self.solver
        rate, momentum, decay = self.learning_rate(iteration), solver.MOMENTUM, solver.WEIGHT_DECAY
        clip = self._clip_factor(gradient)
        self.buffer = [
            momentum * velocity + clip * slope + decay * value
            for velocity, slope, value in zip(self.buffer, gradient, self.model.values)
        ]
        for name, (begin, end, _) in self.model.spans.items():
            own = rate * solver.BACKBONE_MULTIPLIER if "backbone" in name else rate
            values = zip(self.model.values[begin:end], self.buffer[begin:end])
            self.model.values[begin:end] = [value - own * velocity for value, velocity in values]
        self.next_rate = self.learning_rate(iteration + 1)

    def state_dict(self):
        """The buffers, and the rate of the next iteration."""
        spans = self.model.spans.values()
        buffers = [Tensor.of(shape, self.buffer[begin:end]) for begin, end, shape in spans]
        return {
            "state": {index: {"momentum_buffer": buffer} for index, buffer in enumerate(buffers)},
            "param_groups": [{"lr": self.next_rate, "params": list(range(len(buffers)))}],
        }

    def load_state_dict(self, content):
        state = content["state"]
        for index, (begin, end, shape) in enumerate(self.model.spans.values()):
            buffer = state[index]["momentum_buffer"] if index in state else None
            if buffer is None or buffer.shape != shape:
                raise ValueError("loaded state dict doesn't match the size of optimizer's group")
            self.buffer[begin:end] = buffer.values()

    def _clip_factor(self, gradient):
        """GLEE clips the norm of the whole model's gradient."""
        clip = self.solver.CLIP_GRADIENTS
        if not (clip.ENABLED and clip.CLIP_TYPE == "full_model" and clip.CLIP_VALUE > 0.0):
            return 1.0
        norm = math.sqrt(sum(slope * slope for slope in gradient))
        return min(1.0, clip.CLIP_VALUE / (norm + 1e-6))
