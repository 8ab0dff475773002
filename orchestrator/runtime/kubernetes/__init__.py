"""Instances as Pods: the parts of a runtime for Kubernetes, each of use without the others.

    settings    what the composition root fills in
    cluster     where the API server is, and by what it knows us
    calls       the few calls that a runtime makes: `pod_calls` makes them, over `http`
    failures    an answer of the API server as one of the port's failures
    reflector   what Pods there are, kept up to date by list and watch
    own_pods    this manager's Pods: started, taken over, deleted, swept
    dialling    a connection to a Pod's connector, over which both sides have proved themselves (`hello`)
    relaying    a run's way to somebody through such a connection
    creating    a Pod is made once, whatever becomes of the answers
    removals    and none is forgotten
    life        one Pod's way from its create to its end, for those who wait for a part of it
    pods        a Pod as far as we read one
    standing    what a Pod's status means for its run
    naming      names, labels and annotations
    shape       what a Pod is created with

Nobody talks to a Pod yet: there is no connector in one, and no `Runtime` over these. Nothing offers
`kubernetes` as a choice.
"""
