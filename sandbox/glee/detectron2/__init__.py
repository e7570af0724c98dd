"""The stand-in for the parts of detectron2 that hook into a training, under detectron2's own names."""
