"""What detectron2's DetectionCheckpointer adds to fvcore's: several machines, of which some may lack the file."""

import os

from fvcore.common.checkpoint import Checkpointer

from .torch_file import Padding

_LOGGER = "d2.checkpoint.detection_checkpoint"


class DetectionCheckpointer(Checkpointer):
    """Checkpoints of a model, and of the optimizer when there is one, in OUTPUT_DIR; rank 0 writes them."""

    def __init__(self, cfg, gang, log, model, optimizer=None):
        more = {"optimizer": optimizer} if optimizer else {}
        super().__init__(model, cfg.OUTPUT_DIR, save_to_disk=gang.rank == 0, log=log, **more)
        self.pad_bytes = cfg.SANDBOX.CHECKPOINT_PAD_BYTES
        self.gang = gang

    def save(self, name, *, iteration):
        """All that a resumed training needs, as it is after the iteration."""
        optimizer = self.checkpointables["optimizer"]
        more = {
            "scheduler": {"last_epoch": iteration + 1, "_last_lr": [optimizer.next_rate]},
            "iteration": iteration,
        }
        if self.pad_bytes:
            more["sandbox_padding"] = Padding(self.pad_bytes, iteration)
        super().save(name, **more)

    def load(self, path, checkpointables=None):
        """Every rank reads the file.

        A rank that cannot is only warned of: it gets rank 0's weights, but neither its optimizer nor its iteration,
        and from there on computes something else. That is detectron2's behaviour, and a trap.
        """
        if not path or self.gang.world_size == 1:
            return super().load(path, checkpointables)
        has_file = os.path.isfile(path)
        all_have_file = [bool(item[0]) for item in self.gang.all_gather(bytes([has_file]))]
        if not all_have_file[0]:
            raise OSError(f"File {path} not found on main worker.")
        if not all(all_have_file):
            self.log.warning(
                _LOGGER, f"Not all workers can read checkpoint {path}. Training may fail to fully resume."
            )
        rest = super().load(path if has_file else None, checkpointables)
        if not all(all_have_file):
            self.log.info(_LOGGER, "Broadcasting model states from main worker ...")
            self.model.values = self.gang.broadcast(self.model.values)
        return rest
