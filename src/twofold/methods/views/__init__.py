"""Ways of looking at images, as one vector or as patches at their places, and their scales."""
