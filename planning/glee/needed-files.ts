/** @module Files besides config and weights that GLEE opens while it builds the model, in every stage and attempt. */
import { settingAt, isSettings, type Settings } from '../reading/nested-settings.ts';

export interface NeededFile {
  /** Relative to the checkout's root. */
  readonly path: string;
  /** GLEE setting that names it, or '' where GLEE's code does. */
  readonly key: string;
  readonly why: string;
}

const TEXT_ENCODER = 'projects/GLEE/clip_vit_base_patch32/pytorch_model.bin';
/** Names the folder of the text encoder; a stand-in checkout has neither. */
export const MODEL_CODE = 'projects/GLEE/glee/GLEE.py';

/** The files that a training with these settings opens. */
export function neededFiles(settings: Settings, hasModelCode: boolean): readonly NeededFile[] {
  const arch = settingAt(settings, 'MODEL.TEXT.ARCH');
  const usesClip = hasModelCode && typeof arch === 'string' && arch.startsWith('clip');
  const encoder = {
    path: TEXT_ENCODER,
    key: '',
    why: "the text encoder's weights (GLEE's TRAIN.md says where from)",
  };
  return [...(usesClip ? [encoder] : []), ...backboneFiles(settings)];
}

/** A backbone loads its own weights when it is built, also where MODEL.WEIGHTS replaces them at once. */
function backboneFiles(settings: Settings): NeededFile[] {
  const model = settingAt(settings, 'MODEL');
  if (!isSettings(model)) return [];
  return Object.keys(model).flatMap((section) => {
    const key = `MODEL.${section}.PRETRAINED_WEIGHT`;
    const path = settingAt(settings, key);
    if (typeof path !== 'string' || path === '') return [];
    return [{ path, key, why: "the backbone's weights (GLEE's TRAIN.md says where from)" }];
  });
}
