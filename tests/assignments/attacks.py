"""Code of students who mean harm, for more than one test."""

# a cell that defines `send`, which writes to whatever pipe leads to the grader
SEND = """
import os, struct
def send(text=b"", raw=b"", sizes=None):
    data = struct.pack("!II", *(sizes or (len(text), len(raw)))) + text + raw
    for number in range(3, 30):
        try:
            if os.fstat(number).st_mode & 0o170000 == 0o010000:
                place = 0
                while place < len(data):
                    place += os.write(number, data[place:])
        except OSError:
            continue
"""
