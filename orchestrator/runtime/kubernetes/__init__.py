"""Instances as Pods.

    runtime     the port, over all of this
    instance    one Pod as an instance: its connector is dialled, and told what to dial
    ways        how a run's lines reach its Pod: dialled there, or relayed from here
    dialling    a connection to a Pod's connector, over which both sides have proved themselves
    relaying    a run's bytes, passed on through such a connection
    own_pods    this manager's Pods: started, taken over, marked, deleted, swept
    creating    a Pod is made once, whatever becomes of the answers
    room        which starts wait for room, and why
    removals    and none is forgotten
    life        one Pod's way from its create to its end, for those who wait for a part of it
    reflector   what Pods there are, kept up to date by list and watch
    pods        a Pod as far as we read one
    standing    what a Pod's status means for its run
    naming      names, labels and annotations
    shape       what a Pod is created with
    calls       the few calls that a runtime makes: `pod_calls` makes them, over `http`
    failures    an answer of the API server as one of the port's failures
    cluster     where the API server is, and by what it knows us
    settings    what the composition root fills in

What is in the Pod beside the program is `images/base/genvm_connector`.
"""
