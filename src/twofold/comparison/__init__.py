"""The six systems that the paper compares itself with, each in a folder of its own."""
