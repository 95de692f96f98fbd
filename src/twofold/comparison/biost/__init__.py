"""BiOST."""
