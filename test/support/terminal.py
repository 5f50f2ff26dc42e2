"""Runs a command at a terminal, answers each of its questions, and prints what the terminal shows.

terminal.py QUESTION ANSWER COMMAND: a question is what shows the text QUESTION.
"""
import os
import pty
import re
import select
import sys

question, answer, *command = sys.argv[1:]
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(command[0], command)
shown, answered = b"", 0
while True:
    # Deno drops what is typed before its question is complete.
    if select.select([terminal], [], [], 0.3)[0]:
        try:
            part = os.read(terminal, 65536)
        except OSError:
            break
        if part == b"":
            break
        shown += part
    elif shown.count(question.encode()) > answered:
        answered += 1
        os.write(terminal, answer.encode() + b"\n")
print(re.sub(rb"\x1b\[[\d;?]*[A-Za-z]|\r", b"", shown).decode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
