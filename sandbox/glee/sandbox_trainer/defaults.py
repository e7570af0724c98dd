"""Every config key there is, with its default: detectron2's and GLEE's, as far as the stage configs use them.

Keys that steer nothing here (AMP, INPUT, workers, ...) exist so that GLEE's settings and overrides pass unchanged.
"""

DEFAULTS = {
    "VERSION": 2,
    "OUTPUT_DIR": "./output",
    # detectron2 draws a fresh seed when it is negative. Here a negative seed is a fixed one as well: a run that was
    # killed and resumed has to end with the same bytes as one that was not.
    "SEED": -1,
    "FIND_UNUSED_PARAMETERS": True,
    "MODEL": {
        "META_ARCHITECTURE": "GLEE",
        "WEIGHTS": "",
        "MASK_ON": True,
        "VISUAL_PROMPT": False,
        "BACKBONE": {"NAME": "build_resnet_backbone", "FREEZE_AT": 0},
        "SWIN": {"PRETRAINED_WEIGHT": None},
        "EVA02": {"PRETRAINED_WEIGHT": None, "CHECKPOINT": True},
        "TEXT": {"ARCH": "vlpencoder"},
        "LANGUAGE_BACKBONE": {"LANG_DIM": 768},
    },
    "DATASETS": {"TRAIN": (), "TEST": ()},
    "DATALOADER": {
        "NUM_WORKERS": 4,
        "SAMPLER_TRAIN": "TrainingSampler",
        "ASPECT_RATIO_GROUPING": True,
        "FILTER_EMPTY_ANNOTATIONS": True,
        "REPEAT_THRESHOLD": 0.0,
        "DATASET_RATIO": [1, 1],
        "USE_DIFF_BS_SIZE": True,
        "DATASET_BS": [2, 2],
        "DATASET_FILTERS": [True, True],
        "USE_RFS": [False, False],
        "MULTI_DATASET_GROUPING": True,
        "DATASET_ANN": ["box", "box"],
    },
    "SOLVER": {
        "OPTIMIZER": "SGD",
        "IMS_PER_BATCH": 16,
        "MAX_ITER": 40000,
        "STEPS": (30000,),
        "BASE_LR": 0.001,
        "GAMMA": 0.1,
        "MOMENTUM": 0.9,
        "WEIGHT_DECAY": 0.0001,
        "WARMUP_FACTOR": 0.001,
        "WARMUP_ITERS": 1000,
        "WARMUP_METHOD": "linear",
        "LR_SCHEDULER_NAME": "WarmupMultiStepLR",
        "BACKBONE_MULTIPLIER": 1.0,
        "TEXTENCODER_MULTIPLIER": 1.0,
        "LR_DECAY_RATE": None,
        "LR_DECAY_RATE_NUM_LAYERS": None,
        "CHECKPOINT_PERIOD": 5000,
        "AMP": {"ENABLED": False},
        "CLIP_GRADIENTS": {"ENABLED": False, "CLIP_TYPE": "value", "CLIP_VALUE": 1.0, "NORM_TYPE": 2.0},
    },
    "INPUT": {
        "FORMAT": "BGR",
        "IMAGE_SIZE": 1024,
        "MIN_SCALE": 0.1,
        "MAX_SCALE": 2.0,
        "MIN_SIZE_TRAIN": (800,),
        "MAX_SIZE_TRAIN": 1333,
        "DATASET_MAPPER_NAME": None,
        "CROP": {"ENABLED": False, "TYPE": "relative_range", "SIZE": [0.9, 0.9]},
    },
    "TEST": {"EVAL_PERIOD": 0},
    "SANDBOX": {
        # Bytes of made-up tensor data added to every checkpoint, to measure with files of a real model's size.
        "CHECKPOINT_PAD_BYTES": 0,
        # The least wall time of an iteration; what the computation leaves of it is slept away.
        "SECONDS_PER_ITERATION": 0.0,
        # Iterations from one line of metrics to the next. detectron2 has no setting for its 20.
        "METRICS_PERIOD": 20,
    },
}
