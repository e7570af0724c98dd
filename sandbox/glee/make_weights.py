#!/usr/bin/env python3
"""Writes the initial weights that the tutorial has you download and convert, made up but always the same.

    python3 make_weights.py [CHECKOUT]

They go into CHECKOUT/weights (by default this checkout's own): MaskDINO's, which every Stage 1 begins from, and the
Swin and EVA02 backbones that Plus and Pro load before that. A file appears under its name once it is complete.
"""

import os
import sys

from sandbox_trainer.catalog import CHECKOUT
from sandbox_trainer.model import Model
from sandbox_trainer.torch_file import save

# File name -> the backbone whose model it is cut from, and the part, whose name the file leaves out.
FILES = {
    "converted_maskdino_r50_withoutclip.pth": ("build_resnet_backbone", ""),
    "swin_large_patch4_window12_384_22k.pth": ("D2SwinTransformer", "backbone."),
    "converted_EVA02_m38m_psz14to16.pth": ("D2_EVA02", "backbone."),
}
SEED = 1


def main(arguments):
    if len(arguments) > 1 or (arguments and arguments[0].startswith("-")):
        sys.exit(__doc__.strip())
    folder = os.path.join(arguments[0] if arguments else CHECKOUT, "weights")
    os.makedirs(folder, exist_ok=True)
    for name, (backbone, part) in FILES.items():
        state = Model(backbone, SEED).state_dict()
        tensors = {key[len(part) :]: tensor for key, tensor in state.items() if key.startswith(part)}
        temporary = os.path.join(folder, f"{name}.{os.getpid()}.tmp")
        save({"model": tensors}, temporary)
        os.replace(temporary, os.path.join(folder, name))


if __name__ == "__main__":
    main(sys.argv[1:])
