"""twofold beside other libraries: same images, same weights, same machine. See README.md."""
