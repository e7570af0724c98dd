#!/usr/bin/env python3
"""Writes the initial weights that the tutorial has you download and convert, made up but always the same.

    python3 make_weights.py [CHECKOUT]

They go into CHECKOUT (by default this one): MaskDINO's, which every Stage 1 begins from, the Swin and EVA02 backbones
that Plus and Pro load before that, and the model zoo's joint weights, which fine-tunes begin from. A file appears under its
name once it is complete.
"""

import os
import sys

from sandbox_trainer.catalog import CHECKOUT
from sandbox_trainer.model import Model
from sandbox_trainer.torch_file import save

# File name -> the backbone whose model it is cut from, and the part, whose name the file leaves out.
FILES = {
    "weights/converted_maskdino_r50_withoutclip.pth": ("build_resnet_backbone", ""),
    "weights/swin_large_patch4_window12_384_22k.pth": ("D2SwinTransformer", "glee.backbone."),
    "weights/converted_EVA02_m38m_psz14to16.pth": ("D2_EVA02", "glee.backbone."),
    "model_zoo/GLEE_Lite_joint.pth": ("build_resnet_backbone", ""),
    "model_zoo/GLEE_Plus_joint.pth": ("D2SwinTransformer", ""),
    "model_zoo/GLEE_Pro_joint.pth": ("D2_EVA02", ""),
}
SEED = 1


def main(arguments):
    if len(arguments) > 1 or (arguments and arguments[0].startswith("-")):
        sys.exit(__doc__.strip())
    checkout = arguments[0] if arguments else CHECKOUT
    for name, (backbone, part) in FILES.items():
        state = Model(backbone, SEED).state_dict()
        tensors = {key[len(part) :]: tensor for key, tensor in state.items() if key.startswith(part)}
        path = os.path.join(checkout, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        temporary = f"{path}.{os.getpid()}.tmp"
        save({"model": tensors}, temporary)
        os.replace(temporary, path)


if __name__ == "__main__":
    main(sys.argv[1:])
