"""The kinds of trigger: images whose answers only the owner and a marked network know.

`trigger` is the base from which the published three, composites and a learner's own are derived; it knows none of them.

Imports: ground, data, evidence.
"""
