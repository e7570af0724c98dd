"""Saving, resuming and loading, with the names, the order and the leniency of fvcore's Checkpointer."""

import os

from .torch_file import Padding, Tensor, load, save

_LOGGER = "fvcore.common.checkpoint"


class Checkpointer:
    """Checkpoints of a model, and of the optimizer when there is one, in OUTPUT_DIR."""

    def __init__(self, cfg, gang, log, model, optimizer=None):
        self.folder = cfg.OUTPUT_DIR
        self.pad_bytes = cfg.SANDBOX.CHECKPOINT_PAD_BYTES
        self.gang = gang
        self.log = log
        self.model = model
        self.optimizer = optimizer

    def save(self, name, iteration):
        """Rank 0 writes NAME.pth, then points last_checkpoint at it. No temporary file and no fsync: as in fvcore."""
        if self.gang.rank != 0:
            return
        path = os.path.join(self.folder, name + ".pth")
        self.log.info(_LOGGER, f"Saving checkpoint to {path}")
        save(self._content(iteration), path)
        with open(os.path.join(self.folder, "last_checkpoint"), "w", encoding="utf-8") as file:
            file.write(name + ".pth")

    def resume_or_load(self, weights, resume):
        """The first iteration to run: that after the last checkpoint's, or 0 with the given weights."""
        pointer = os.path.join(self.folder, "last_checkpoint")
        if not (resume and os.path.exists(pointer)):
            self._load(weights, with_optimizer=False)
            return 0
        with open(pointer, encoding="utf-8") as file:
            path = os.path.join(self.folder, file.read().strip())
        return self._load(path, with_optimizer=True).get("iteration", -1) + 1

    def _content(self, iteration):
        state, rate = self.model.state(), self.optimizer.learning_rate(iteration + 1)
        spans = self.model.spans
        buffers = {name: self.optimizer.buffer[begin:end] for name, (begin, end, _) in spans.items()}
        content = {
            "model": {name: Tensor.of(shape, values) for name, (shape, values) in state.items()},
            "optimizer": {
                "state": {
                    index: {"momentum_buffer": Tensor.of(state[name][0], buffers[name])}
                    for index, name in enumerate(spans)
                },
                "param_groups": [{"lr": rate, "params": list(range(len(spans)))}],
            },
            "scheduler": {"last_epoch": iteration + 1, "_last_lr": [rate]},
            "iteration": iteration,
        }
        if self.pad_bytes:
            content["sandbox_padding"] = Padding(self.pad_bytes, iteration)
        return content

    def _load(self, path, with_optimizer):
        """Reads a checkpoint into the model; what there was besides the model is returned."""
        if not path:
            self.log.info(_LOGGER, "No checkpoint found. Initializing model from scratch")
            return {}
        everywhere = self._check_all_have(path)
        content = {}
        if os.path.isfile(path):
            self.log.info(_LOGGER, f"[Checkpointer] Loading from {path} ...")
            content = load(path)
            self._log_differences(load_model_state(self.model, content.get("model", content)))
            if with_optimizer and self.optimizer and "optimizer" in content:
                self.log.info(_LOGGER, f"Loading optimizer from {path} ...")
                self._load_optimizer(content["optimizer"]["state"])
        if not everywhere:
            self.log.info("d2.checkpoint.detection_checkpoint", "Broadcasting model states from main worker ...")
            self.model.values = self.gang.broadcast(self.model.values)
        return content

    def _check_all_have(self, path):
        """Whether every rank can read the file.

        A rank that cannot is only warned of: it gets rank 0's weights, but neither its optimizer nor its iteration,
        and from there on computes something else. That is detectron2's behaviour, and a trap.
        """
        has_file = os.path.isfile(path)
        if self.gang.world_size == 1:
            assert has_file, f"Checkpoint {path} not found!"
            return True
        all_have_file = [bool(item[0]) for item in self.gang.all_gather(bytes([has_file]))]
        if not all_have_file[0]:
            raise OSError(f"File {path} not found on main worker.")
        if not all(all_have_file):
            self.log.warning(
                "d2.checkpoint.detection_checkpoint",
                f"Not all workers can read checkpoint {path}. Training may fail to fully resume.",
            )
        return all(all_have_file)

    def _log_differences(self, differences):
        """strict=False: what does not fit is left as it was initialized, with a warning."""
        for name, theirs, ours in differences["misfits"]:
            self.log.warning(
                _LOGGER,
                f"Skip loading parameter '{name}' to the model due to incompatible shapes: {theirs} in the checkpoint "
                f"but {ours} in the model! You might want to double check if this is expected.",
            )
        for names, message in (
            (differences["missing"], "Some model parameters or buffers are not found in the checkpoint:"),
            (differences["unexpected"], "The checkpoint state_dict contains keys that are not used by the model:"),
        ):
            if names:
                self.log.warning(_LOGGER, "\n".join([message, *(f"  {name}" for name in names)]))

    def _load_optimizer(self, state):
        for index, (begin, end, shape) in enumerate(self.model.spans.values()):
            buffer = state[index]["momentum_buffer"] if index in state else None
            if buffer is None or buffer.shape != shape:
                raise ValueError("loaded state dict doesn't match the size of optimizer's group")
            self.optimizer.buffer[begin:end] = buffer.values()


def load_model_state(model, state, prefix=""):
    """Loads the tensors whose names and shapes the model has, and says which did not match."""
    tensors = {prefix + name: tensor for name, tensor in state.items() if isinstance(tensor, Tensor)}
    differences = {"misfits": [], "missing": [], "unexpected": []}
    for name, (_, _, shape) in model.spans.items():
        if name not in tensors:
            differences["missing"].append(name)
        elif tensors[name].shape != shape:
            differences["misfits"].append((name, tensors[name].shape, shape))
        else:
            model.load(name, tensors[name].values())
    differences["unexpected"] = [name for name in tensors if name not in model.spans]
    return differences
