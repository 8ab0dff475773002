"""Starts a manager the way Studio does, and goes on for as long as that program does."""

import os
import subprocess
from pathlib import Path

program = Path(os.environ["GENVMROOT"]) / "bin" / "genvm-modules"
subprocess.run([program, "manager", "--port", "3999", "--die-with-parent"], check=False)
