# SPDX-License-Identifier: Unlicense
"""Data movement: what the learning algorithms of the stubs read, and from how far away, traced from their ordinary numpy code.

    log      the event log of a run: one word per access
    depth    the log -> depths and costs
    values   Traced, the array that notes what is done with it
    names    the numpy that a traced stub sees: functions, generators, linear algebra
    attach   a stub under the tracer: phases, steps, windows
    report   what results.json and MOVEMENT.md say
"""
