"""What a learner moves: one folder for each lab, and `_kit`, the pieces that they share.

In a lab's folder `lab` holds the widgets, and the files beside it what they show; a lab imports the
kit, never another lab. Nothing but the front door imports labs.

Imports: ground, data, evidence, triggers, training, service, watermarks, theft, zoo, course.
"""
