"""Instances as Pods: the parts of a runtime for Kubernetes, each of use without the others.

    settings    what the composition root fills in
    failures    an answer of the API server as one of the port's failures
    pods        a Pod as far as we read one
    standing    what a Pod's status means for its run
    naming      names, labels and annotations
    shape       what a Pod is created with

There is no runtime over them yet, and nothing offers `kubernetes` as a choice.
"""
