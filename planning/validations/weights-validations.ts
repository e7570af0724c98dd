/** @module Initial weights of the wrong stage or variant: GLEE would load them with `strict=False`, and train on. */
import { FINE_TUNE_STAGE, VARIANTS, type StageName, type Variant } from '../../contracts/plan.ts';
import { stageBefore } from '../glee/glee-stages.ts';

export interface WeightsUnderCheck {
  readonly stage: StageName;
  readonly variant: Variant;
  /** How problems call the weights: a path, or `lite-1/stage2`. */
  readonly shown: string;
  readonly madeBy: StageName | 'before stage1' | undefined;
  readonly madeFor: Variant | undefined;
}

/** Names that GLEE gives to weights: `model_zoo/GLEE_Lite_pretrain.pth`, `exp/GLEE_Lite_CLIPteacher_joint/…`. */
const MADE_BY: readonly (readonly [RegExp, WeightsUnderCheck['madeBy']])[] = [
  [/_scaleup/i, 'stage3'],
  [/_joint/i, 'stage2'],
  [/_pretrain(?!ed)/i, 'stage1'],
  [/(^|\/)(converted_|swin_|eva0?2_)[^/]*$/i, 'before stage1'],
];

/** Which stage and variant made the weights at `path`, as far as its name tells. */
export function madeByName(path: string): Pick<WeightsUnderCheck, 'madeBy' | 'madeFor'> {
  return {
    madeBy: MADE_BY.find(([pattern]) => pattern.test(path))?.[1],
    madeFor: VARIANTS.find((variant) => path.includes(`GLEE_${variant}_`) || path.includes(`/${variant}/`)),
  };
}

/**
 * Why the stage must not begin from these weights, or undefined.
 * Stage 1 may begin from anything: the tutorial advises larger backbones to take what GLEE-Lite-joint has.
 */
export function weightsProblem({
  stage,
  variant,
  shown,
  madeBy,
  madeFor,
}: WeightsUnderCheck): string | undefined {
  const before = stageBefore(stage);
  if (before === undefined && stage !== FINE_TUNE_STAGE) return undefined;
  if (before === undefined && madeBy === 'before stage1') {
    return `${shown}: these weights are made for the start of stage1, and a fine-tune begins from what a stage has trained. Name weights of stage2 or stage3`;
  }
  if (before !== undefined && madeBy !== undefined && madeBy !== before) {
    const origin = madeBy === 'before stage1' ? 'are made for the start of stage1' : `come from ${madeBy}`;
    return `${shown}: these weights ${origin}, and ${stage} begins from those of ${before}. Name weights of ${before}`;
  }
  if (madeFor !== undefined && madeFor !== variant) {
    return `${shown}: these weights are of GLEE-${madeFor}, and this run trains GLEE-${variant}: GLEE skips what does not fit without a word. Name weights of GLEE-${variant}`;
  }
  return undefined;
}
