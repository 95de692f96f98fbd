"""Made-up local defects with their masks, and made-up domain shifts, on real images."""

from twofold.synthetic.defects import CONTRAST, DEFECTS, VISIBLE, Defective, add_defect
from twofold.synthetic.graded import GRADES, LEAST_SIDE, flaw_pixels, graded_flaws
from twofold.synthetic.shifts import SHIFTS, shift_image, shift_mask

__all__ = [
    "CONTRAST",
    "DEFECTS",
    "GRADES",
    "LEAST_SIDE",
    "SHIFTS",
    "VISIBLE",
    "Defective",
    "add_defect",
    "flaw_pixels",
    "graded_flaws",
    "shift_image",
    "shift_mask",
]
