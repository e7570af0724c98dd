"""Builds the model that the config names."""

from sandbox_trainer.catalog import words_by_task
from sandbox_trainer.model import Model
from sandbox_trainer.torch_file import load


def build_model(cfg, log):
    """The model with its backbone's pretrained weights, if the variant has any, and the words that GLEE has by task."""
    model = Model(cfg.MODEL.BACKBONE.NAME, max(cfg.SEED, 0))
    pretrained = cfg.MODEL[model.pretrained_node].PRETRAINED_WEIGHT if model.pretrained_node else None
    if pretrained:
        log.info("d2.modeling.backbone", f"Loading pretrained backbone from {pretrained}")
        model.load_state_dict({"glee.backbone." + name: tensor for name, tensor in load(pretrained)["model"].items()})
    model.dataset_name_dicts = words_by_task()
    model.num_class = {task: len(words) for task, words in model.dataset_name_dicts.items()}
    return model
