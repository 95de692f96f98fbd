"""The usual detectors on patch features."""
