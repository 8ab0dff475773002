"""The manager's end of an instance: control channel, jobs, reports, the clock beside a run."""
