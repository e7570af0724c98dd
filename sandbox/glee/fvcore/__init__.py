"""The stand-in for the part of fvcore that a training leans on, under fvcore's own names."""
