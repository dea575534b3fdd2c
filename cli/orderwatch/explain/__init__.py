"""Explaining an order, from the bytes on the topic to its decision, and checking that all of it agrees.

`evidence` is what was found (pure data), `finder` looks for it. Each section is a pure function of the evidence, in a
module of its own; `explanation` lists them.
"""
