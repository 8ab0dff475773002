"""Checks of who may speak: the tokens file, the audit file. Blocking."""

from __future__ import annotations

import os
import stat
from collections import Counter

from orchestrator.access.entries import BadTokens
from orchestrator.access.file import read_tokens
from orchestrator.kits.finding import Finding, fail, ok, warn
from orchestrator.settings import Settings


def check_tokens(settings: Settings) -> Finding:
    """That the tokens file can be used; a running manager goes on with the tokens from before if not."""
    path = settings.tokens_file
    if path is None:
        return ok("tokens", "none: whoever reaches the API has root on this machine, and all runs and keys")
    try:
        tokens = read_tokens(path).tokens
    except BadTokens as bad:
        return fail("tokens", str(bad), "correct it: see docs/access.md")
    counted = Counter(token.caller.scope.value for token in tokens)
    shown = ", ".join(f"{count} {scope}" for scope, count in sorted(counted.items()))
    namespaces = len({token.caller.namespace for token in tokens})
    return ok("tokens", f"{len(tokens)} ({shown}) in {namespaces} namespaces, {path}")


def check_audit_file(settings: Settings) -> Finding:
    """That the audit file can be appended to, and is nobody else's. Makes none."""
    path = settings.audit_file
    if path is None:
        return ok("audit", "administrative calls are in the manager's log only")
    advice = "set GENVM_AUDIT_FILE to a file that the manager may write"
    if path.is_symlink() or (path.exists() and not path.is_file()):
        return fail("audit", f"{path} is not a regular file", advice)
    there = path if path.exists() else path.absolute().parent
    if not os.access(there, os.W_OK if path.exists() else os.W_OK | os.X_OK):
        return fail("audit", f"{there} cannot be written by uid {os.geteuid()}", advice)
    if path.exists() and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return warn("audit", f"{path} is open to others", f"chmod 600 {path}")
    return ok("audit", str(path))
