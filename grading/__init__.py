"""Grading: student code runs in a sandbox, and what it returns is compared outside of it.

From the lowest floor up: `text` (made safe to show), `wire` (values as bytes), `magics`,
`notebooks` (a hand-in as cells), `shell` (cells run as in a notebook), `worker` (inside the
sandbox), `cgroups` and `seccomp` (what the kernel limits and refuses), `users` (one for each
sandbox), `limits` (what a submission may use), `bubblewrap` (the command that starts a worker, cut
off from the machine), `pipes` (messages with a deadline), `process` (a worker, watched and ended),
`sandbox` (questions and answers), `remote` (what a test sees of the student's functions), `words`
(what was wrong, for the student), `session` (a notebook that was run), `marks`, `uploads`
(the names that learning platforms give), `submissions` (what students hand in, all of it),
`marking`, `roster` (the class), `plan` (who handed in what), `gradebook` (every mark ever given),
`hand` (marks that people give), `results` (the table), `feedback` (a page for each student),
`overview` (a page on the class), `exports` (back to the platforms), `runner` (many at a time),
`options`, `rubric`, `excerpt` (an answer, made safe to show), `reading` (a page on which people
mark), and the command line in `__main__`.
"""
