"""Saving, resuming and loading, with the names, the order and the leniency of fvcore's Checkpointer.

What looks into GLEE's checkpointing finds here the methods that it finds there. The log is handed in, as `logging`
alone would take a quarter of a rank's start.
"""

import os
from collections import namedtuple

from sandbox_trainer.torch_file import Tensor, load, save

_LOGGER = "fvcore.common.checkpoint"

# Shapes are (key, shape in the checkpoint, shape in the model). Such keys are among the missing ones as well.
_IncompatibleKeys = namedtuple("IncompatibleKeys", ["missing_keys", "unexpected_keys", "incorrect_shapes"])


class PathManager:
    """iopath's, for local files alone."""

    def open(self, path, mode="r"):
        return open(path, mode)


class Checkpointer:
    """Checkpoints of a model, and of more that has a load_state_dict, in a folder."""

    def __init__(self, model, save_dir, *, save_to_disk, log, **checkpointables):
        self.model = model
        self.save_dir = save_dir
        self.save_to_disk = save_to_disk
        self.log = log
        self.checkpointables = checkpointables
        self.path_manager = PathManager()

    def save(self, name, **more):
        """Writes NAME.pth, then points last_checkpoint at it. No temporary file and no fsync: as in fvcore."""
        if not self.save_to_disk:
            return
        data = {"model": self.model.state_dict()}
        data.update((key, value.state_dict()) for key, value in self.checkpointables.items())
        data.update(more)
        path = os.path.join(self.save_dir, name + ".pth")
        self.log.info(_LOGGER, f"Saving checkpoint to {path}")
        with self.path_manager.open(path, "wb") as file:
            save(data, file)
        self.tag_last_checkpoint(name + ".pth")

    def load(self, path, checkpointables=None):
        """Reads a checkpoint into the model and the checkpointables, by default all; the rest is returned."""
        if not path:
            self.log.info(_LOGGER, "No checkpoint found. Initializing model from scratch")
            return {}
        self.log.info(_LOGGER, f"[Checkpointer] Loading from {path} ...")
        assert os.path.isfile(path), f"Checkpoint {path} not found!"
        checkpoint = self._load_file(path)
        self._log_incompatible_keys(self._load_model(checkpoint))
        for key in self.checkpointables if checkpointables is None else checkpointables:
            if key in checkpoint:
                self.log.info(_LOGGER, f"Loading {key} from {path} ...")
                self.checkpointables[key].load_state_dict(checkpoint.pop(key))
        return checkpoint

    def resume_or_load(self, path, *, resume=True):
        """Continues from the last checkpoint when there is one, else loads only the model, from the path."""
        if resume and self.has_checkpoint():
            return self.load(self.get_checkpoint_file())
        return self.load(path, checkpointables=[])

    def has_checkpoint(self):
        return os.path.exists(os.path.join(self.save_dir, "last_checkpoint"))

    def get_checkpoint_file(self):
        with open(os.path.join(self.save_dir, "last_checkpoint"), encoding="utf-8") as file:
            return os.path.join(self.save_dir, file.read().strip())

    def tag_last_checkpoint(self, name):
        with self.path_manager.open(os.path.join(self.save_dir, "last_checkpoint"), "w") as file:
            file.write(name)

    def _load_file(self, path):
        content = load(path)
        return content if "model" in content else {"model": content}

    def _load_model(self, checkpoint):
        """strict=False: what does not fit is left as it was initialized."""
        state = {key: value for key, value in checkpoint.pop("model").items() if isinstance(value, Tensor)}
        incorrect_shapes = []
        for key, ours in self.model.state_dict().items():
            if key in state and state[key].shape != ours.shape:
                incorrect_shapes.append((key, state.pop(key).shape, ours.shape))
        missing_keys, unexpected_keys = self.model.load_state_dict(state)
        return _IncompatibleKeys(missing_keys, unexpected_keys, incorrect_shapes)

    def _log_incompatible_keys(self, incompatible):
        misfits = {name for name, _, _ in incompatible.incorrect_shapes}
        for name, theirs, ours in incompatible.incorrect_shapes:
            self.log.warning(
                _LOGGER,
                f"Skip loading parameter '{name}' to the model due to incompatible shapes: {theirs} in the checkpoint "
                f"but {ours} in the model! You might want to double check if this is expected.",
            )
        for names, message in (
            (incompatible.missing_keys, "Some model parameters or buffers are not found in the checkpoint:"),
            (incompatible.unexpected_keys, "The checkpoint state_dict contains keys that are not used by the model:"),
        ):
            shown = [f"  {name}" for name in names if name not in misfits]
            if shown:
                self.log.warning(_LOGGER, "\n".join([message, *shown]))
