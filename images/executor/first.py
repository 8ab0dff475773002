"""The entry point of the executor's image: `python3 -I -S first.py MODULE`, see `genvm_executor.watchdog`.

Not that module itself: the file that an interpreter is started with is compiled at each start.
"""

import sys

sys.path.insert(0, "/opt/genvm/lib")

from genvm_executor.watchdog import main

main(sys.argv[1:])
