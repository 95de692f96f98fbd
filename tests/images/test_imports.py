from __future__ import annotations

import subprocess
import sys


def test_the_ground_floor_needs_no_heavy_library() -> None:
    code = (
        "import sys, twofold.images; "
        "print({'torch', 'torchvision', 'pandas', 'pyarrow', 'scipy'} & set(sys.modules))"
    )
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], check=False, capture_output=True, text=True
    )
    assert (ran.stdout, ran.stderr) == ("set()\n", "")
