"""The connector: beside a program in its Pod it takes the manager's place at the control socket.

A manager dials it; it dials a run's node and modules, and attaches what it has to the job, so that the
program speaks the same protocol as under every other runtime (docs/instance-protocol.md, In a Pod).

    confinement   its own filter of system calls, before anybody is let in
    identity      the certificate of this start
    link          an encrypted connection, and the hello over it
    door          who knocks, and who has proved itself
    program       the program's connections, the newest of which counts
    talk          between the newest manager and the program
    ways          what a job is given: connections made here, relayed, or into a module
    guests        those who are expected under a number
    deadline      what the program's watchdog is told, kept over a restart of this process
    idle          a program that nobody has use for is sent away
    command       all of it
"""
