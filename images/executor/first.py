"""The entry point of the executor's image: `python3 -s -S -P first.py MODULE`, see `genvm_executor.watchdog`.

Not that module itself: the file that an interpreter is started with is compiled at each start.
"""

import sys

sys.path.append("/opt/genvm/lib")

from genvm_executor.watchdog import main

main(sys.argv[1:])
