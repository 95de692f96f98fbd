"""The system of Mejri et al., arXiv 2502.21022: the method, its variants and its baselines."""
