"""Grading: student code runs in a sandbox, and what it returns is compared outside of it.

From the lowest floor up: `wire` (values as bytes), `worker` (inside the sandbox), `limits` (what a
submission may use), `bubblewrap` (the command that starts a worker, cut off from the machine),
`pipes` (messages with a deadline), `process` (a worker, watched and ended), `sandbox` (questions
and answers), `remote` (what a test sees of the student's functions), `submissions` (files that
students hand in), `marking`, `gradebook`, `feedback`, and the command line in `__main__`.
"""
