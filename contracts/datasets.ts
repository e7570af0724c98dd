/** @module Data sets that the checkout does not register. */

/** A data set that the checkout does not register: the companion does, in every rank, before the model is built. */
export interface DatasetPlan {
  /** As DATASETS.TRAIN and DATASETS.TEST name it. */
  readonly name: string;
  /** COCO annotations and the folder of the images, relative to DETECTRON2_DATASETS. */
  readonly annotations: string;
  readonly images: string;
  /** What GLEE takes the task from: `dataset_name` of each record, and the key in its `dataset_name_dicts`. */
  readonly task: string;
  /** The words that GLEE is given for the categories, in the order of their ids; by default those of the annotations. */
  readonly words?: readonly string[];
  /** So many images of each category, drawn by the seed. Absent: all. */
  readonly fewShot?: { readonly shots: number; readonly seed: number };
}
