/** @module Which GLEE config trains which stage of which variant: GLEE's file names follow no rule. */
import type { JointStageName, StageName, Variant } from '../../contracts/plan.ts';

const CONFIGS = 'projects/GLEE/configs/images';

const FILES: Readonly<Record<Variant, Readonly<Record<JointStageName, string>>>> = {
  Lite: {
    stage1: 'Lite/Stage1_pretrain_openimage_obj365_CLIPfrozen_R50.yaml',
    stage2: 'Lite/Stage2_joint_training_CLIPteacher_R50.yaml',
    stage3: 'Lite/Stage3_scaleup_CLIPteacher_R50.yaml',
  },
  Plus: {
    stage1: 'Plus/Stage1_pretrain_openimage_obj365_CLIPfrozen_SwinL.yaml',
    stage2: 'Plus/Stage2_joint_training_CLIPteacher_SwinL.yaml',
    stage3: 'Plus/Stage3_scaleup_CLIPteacher_SwinL.yaml',
  },
  Pro: {
    stage1: 'Pro/Stage1_pretrain_openimage_obj365_CLIPfrozen_EVA02L_LSJ1536.yaml',
    stage2: 'Pro/Stage2_joint_training_CLIPteacher_EVA02L.yaml',
    stage3: 'Pro/Stage3_scaleup_CLIPteacher_EVA02L.yaml',
  },
};

/** GLEE's own config for the stage, relative to the checkout's root. */
export function gleeConfigFile(variant: Variant, stage: JointStageName): string {
  return `${CONFIGS}/${FILES[variant][stage]}`;
}

/** The stage whose weights `stage` begins from, or undefined where it may begin from several's. */
export function stageBefore(stage: StageName): JointStageName | undefined {
  switch (stage) {
    case 'stage1':
    case 'finetune':
      return undefined;
    case 'stage2':
      return 'stage1';
    case 'stage3':
      return 'stage2';
  }
}
