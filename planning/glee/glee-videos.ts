/**
 * @module GLEE's own configs for the video tasks: file names and data sets follow no rule. From projects/GLEE/configs/videos
 * at GLEE 6f5a19d. All name the MaskDINO warm-up as MODEL.WEIGHTS, which a fine-tune never begins from.
 */
import type { Variant } from '../../contracts/plan.ts';

const CONFIGS = 'projects/GLEE/configs/videos';

export const VIDEO_TASKS = ['ytvis19', 'ovis', 'tao', 'burst', 'lvvis'] as const;
export type VideoTask = (typeof VIDEO_TASKS)[number];

/** LV-VIS there is for Lite alone. */
const FILES: Readonly<Record<Variant, Readonly<Partial<Record<VideoTask, string>>>>> = {
  Lite: {
    ytvis19: 'Lite/ytvis19_base.yaml',
    ovis: 'Lite/ovis_base.yaml',
    tao: 'Lite/TAO_Lite.yaml',
    burst: 'Lite/BURST_Lite.yaml',
    lvvis: 'Lite/LVVIS.yaml',
  },
  Plus: {
    ytvis19: 'Plus/ytvis19_Plus.yaml',
    ovis: 'Plus/ovis_Plus.yaml',
    tao: 'Plus/TAO_Plus.yaml',
    burst: 'Plus/BURST_Plus.yaml',
  },
  Pro: {
    ytvis19: 'Pro/ytvis19_Pro.yaml',
    ovis: 'Pro/ovis_Pro.yaml',
    tao: 'Pro/TAO_Pro.yaml',
    burst: 'Pro/BURST_Pro.yaml',
  },
};

/** What DATASETS.TEST names in them; TAO trains on BURST's training split. */
const TEST_DATASETS: Readonly<Record<VideoTask, string>> = {
  ytvis19: 'ytvis_2019_val',
  ovis: 'ovis_val',
  tao: 'TAO_video_val',
  burst: 'BURST_video_val',
  lvvis: 'lvvis_val',
};

/** GLEE's own config for the task, relative to the checkout's root; undefined where the variant has none. */
export function videoConfigFile(variant: Variant, task: VideoTask): string | undefined {
  const file = FILES[variant][task];
  return file === undefined ? undefined : `${CONFIGS}/${file}`;
}

export function videoTestDataset(task: VideoTask): string {
  return TEST_DATASETS[task];
}

/** The tasks that the variant has a config for. */
export function videoTasksOf(variant: Variant): readonly VideoTask[] {
  return VIDEO_TASKS.filter((task) => FILES[variant][task] !== undefined);
}
