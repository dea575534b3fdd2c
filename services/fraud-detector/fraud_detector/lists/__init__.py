"""Lists in the detector: loaded at its start, followed while it decides, and the commands that change them."""
