"""The syncer: what is placed on a physical cluster goes there, and its status comes back.

What belongs here: names that both clusters know (`names`), what objects become on their way (`transform`, `fields`),
the decision about one object (`plan`), all of it pure; and the doing (`discovery`, `engine`, `run`, `health`). What
stays out: which objects are placed where, and the command.
"""
