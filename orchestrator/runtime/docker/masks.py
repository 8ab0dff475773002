"""What of the kernel's own files a container does not see: an empty file or folder is mounted over each.

A name that the kernel does not have is passed over by the engine, so the lists may know more than any kernel.
"""

from __future__ import annotations

from orchestrator.runtime.port import Role

# The engine's own list, which naming any path replaces, and /sys/kernel. Modules get this much: a browser
# reads about the machine that it is to be fast on.
_SHARED = (
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
    "/sys/kernel",
)

# All that /proc has beside processes, and but for cpuinfo: precompiled code is chosen by it, and the
# processor tells as much to whoever asks it.
_ABOUT_THE_HOST = [
    "acpi",
    "allocinfo",
    "asound",
    "bootconfig",
    "buddyinfo",
    "bus",
    "cgroups",
    "cmdline",
    "config.gz",
    "consoles",
    "cpu",
    "crypto",
    "device-tree",
    "devices",
    "diskstats",
    "dma",
    "driver",
    "dynamic_debug",
    "execdomains",
    "fb",
    "filesystems",
    "fs",
    "ide",
    "interrupts",
    "iomem",
    "ioports",
    "irq",
    "isapnp",
    "kallsyms",
    "kcore",
    "key-users",
    "keys",
    "kmsg",
    "kpagecgroup",
    "kpagecount",
    "kpageflags",
    "latency_stats",
    "loadavg",
    "lock_stat",
    "lockdep",
    "lockdep_chains",
    "lockdep_stats",
    "locks",
    "mdstat",
    "meminfo",
    "misc",
    "modules",
    "mpt",
    "mtrr",
    "pagetypeinfo",
    "partitions",
    "pressure",
    "profile",
    "sched_debug",
    "schedstat",
    "scsi",
    "slabinfo",
    "softirqs",
    "spl",
    "stat",
    "swaps",
    "sys",
    "sysrq-trigger",
    "sysvipc",
    "timer_list",
    "timer_stats",
    "tty",
    "uptime",
    "version",
    "version_signature",
    "vmallocinfo",
    "vmcore",
    "vmstat",
    "zoneinfo",
]

_HIDDEN_FROM_EXECUTORS = (*(f"/proc/{name}" for name in _ABOUT_THE_HOST), "/sys")


def hidden_from(role: Role) -> list[str]:
    """Paths for the engine's *create*."""
    return list(_HIDDEN_FROM_EXECUTORS if role is Role.EXECUTOR else _SHARED)
