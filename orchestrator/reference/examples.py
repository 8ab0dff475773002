"""One or two lines for each command, as people would type them. A test reads each with the command itself."""

from __future__ import annotations

from typing import Final

EXAMPLES: Final = {
    "serve": [
        "genvm-orchestrator serve",
        "genvm-orchestrator serve --socket /run/genvm/api.sock --permits 16",
        "GENVM_TOKENS_FILE=/etc/genvm/tokens genvm-orchestrator serve --host 0.0.0.0",
    ],
    "config show": ["genvm-orchestrator config show --config /etc/genvm/manager.yaml"],
    "demo": ["genvm-orchestrator demo"],
    "images release": ["genvm-orchestrator images release genvm-linux-amd64.tar.xz v0.2.16"],
    "images build": ["genvm-orchestrator images build", "genvm-orchestrator images build genvm-executor"],
    "images list": ["genvm-orchestrator images list --json"],
    "deploy": ["genvm-orchestrator deploy examples/counter.py 5 --manager local"],
    "call": ["genvm-orchestrator call 0x0000000000000000000000000000000000000000 add --arg u256:2"],
    "view": ["genvm-orchestrator view 0x0000000000000000000000000000000000000000 get --json"],
    "schema": ["genvm-orchestrator schema examples/counter.py --manager local"],
    "tx": ["genvm-orchestrator tx --last 3"],
    "check": ["genvm-orchestrator check examples/counter.py --strict"],
    "test": ["genvm-orchestrator test examples -k counter"],
    "ps": ["genvm-orchestrator ps --all"],
    "inspect": ["genvm-orchestrator inspect 42"],
    "logs": ["genvm-orchestrator logs 42 --stderr"],
    "gc": ["genvm-orchestrator gc --dry-run"],
    "doctor": ["genvm-orchestrator doctor --json"],
    "backup": ["genvm-orchestrator backup /backups/genvm.sqlite --json"],
    "restore": ["genvm-orchestrator restore /backups/genvm.sqlite"],
    "token new": ["genvm-orchestrator token new --name node-1 --scope node --namespace node-1"],
    "engine-filter": [
        "genvm-orchestrator engine-filter --listen /run/genvm/engine.sock"
        " --state-dir /var/lib/genvm-orchestrator --image genvm-executor"
    ],
    "reap": ["genvm-orchestrator reap --managers genvm-"],
    "completion": [
        "genvm-orchestrator completion bash > /etc/bash_completion.d/genvm-orchestrator",
        "genvm-orchestrator completion fish > /etc/fish/completions/genvm-orchestrator.fish",
    ],
}
