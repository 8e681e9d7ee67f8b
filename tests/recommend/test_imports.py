"""What needs no network loads no torch."""

from __future__ import annotations

import subprocess
import sys


def test_metrics_and_closed_forms_do_not_load_torch() -> None:
    names = ("metrics.names", "metrics.lists", "recommend.item_knn", "recommend.ease", "recommend.floor")
    imports = ", ".join(f"steerec.{name}" for name in names)
    code = f"import sys, {imports}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
