"""Made-up local defects with their masks, and made-up domain shifts, on real images."""

from twofold.synthetic.defects import CONTRAST, DEFECTS, VISIBLE, Defective, add_defect
from twofold.synthetic.shifts import SHIFTS, shift_image, shift_mask

__all__ = [
    "CONTRAST",
    "DEFECTS",
    "SHIFTS",
    "VISIBLE",
    "Defective",
    "add_defect",
    "shift_image",
    "shift_mask",
]
