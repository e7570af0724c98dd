"""The machinery behind the stand-in GLEE checkout: Python's standard library, nothing else.

What stands in for what:

    arguments       detectron2's command line
    config          yacs and fvcore's config: `_BASE_`, merging, type checks, KEY VALUE overrides
    defaults        every config key there is, and its value
    yaml_reader, yaml_scalar, yaml_writer
                    PyYAML, as much of it as configs need
    spawn           torch.multiprocessing.spawn: one process a rank
    gang, rendezvous, lifeline
                    torch.distributed: how ranks find each other, add up, and end together
    draws           a random number generator that depends on its seed alone
    catalog         the registered data sets and their annotation files; detectron2's catalogues are in `detectron2/`
    sampler, loader detectron2's and GLEE's: in which order images are drawn, and how batches are made of them
    model           the network: four small layers, their loss and its gradient
    optimizer       SGD with momentum, the learning rate's schedule
    torch_file, pickle_writer
                    `.pth` files, written and read without torch
    checkpointer    detectron2's DetectionCheckpointer; fvcore's own is in `fvcore/`, under its name: files, names,
                    `last_checkpoint`, what is resumed from
    (detectron2/)   its engine's loop, hooks and launch, catalogues, load_coco_json, build_model and utils.comm, under their
                    own names
    log             detectron2's log lines and metrics.json
    evaluation      an AP on the test sets
    trainer         the training loop, where all of these meet
"""
