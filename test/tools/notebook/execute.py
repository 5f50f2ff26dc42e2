"""Executes a notebook in the kernel "deno", and writes it with its outputs.

    python3 execute.py NOTEBOOK OUTPUT

Deno's kernel may tell of an output after it has told that the cell is over, and what nbclient is told then it drops:
so each cell is given a while more. Cells run one after another, up to one that fails and is not interrupted. Every state
of a display that is updated is kept in the cell's metadata, as "updates". The kernel is interrupted once a cell has printed
the text of its metadata's "interrupt_at".
"""

import queue
import sys
import time

import nbformat
from jupyter_client.manager import start_new_kernel

CELL_SECONDS = 120
AFTERWARDS_SECONDS = 0.3


def main(source, target):
    notebook = nbformat.read(source, as_version=4)
    manager, client = start_new_kernel(kernel_name="deno", startup_timeout=CELL_SECONDS)
    displays = {}
    try:
        for cell in notebook.cells:
            if cell.cell_type == "code" and not execute(manager, client, cell, displays):
                break
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        nbformat.write(notebook, target)


def execute(manager, client, cell, displays):
    """Whether it has succeeded, or was to be interrupted."""
    cell.outputs = []
    request = client.execute(cell.source)
    deadline = time.monotonic() + CELL_SECONDS
    is_idle = False
    interrupt_at = cell.metadata.get("interrupt_at")
    while True:
        try:
            message = client.get_iopub_msg(timeout=max(0, deadline - time.monotonic()))
        except queue.Empty:
            if not is_idle:
                cell.outputs.append(error_of(f"nothing within {CELL_SECONDS} s"))
            break
        if message["parent_header"].get("msg_id") != request:
            continue
        if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
            is_idle = True
            deadline = time.monotonic() + AFTERWARDS_SECONDS
        else:
            take(message, cell, displays)
            if interrupt_at is not None and interrupt_at in message["content"].get("text", ""):
                manager.interrupt_kernel()
                interrupt_at = None
    reply = client.get_shell_msg(timeout=CELL_SECONDS) if is_idle else None
    while reply is not None and reply["parent_header"].get("msg_id") != request:
        reply = client.get_shell_msg(timeout=CELL_SECONDS)
    if reply is not None:
        cell.execution_count = reply["content"].get("execution_count")
    return "interrupt_at" in cell.metadata or not any(output.output_type == "error" for output in cell.outputs)


def take(message, cell, displays):
    kind, content = message["msg_type"], message["content"]
    display_id = content.get("transient", {}).get("display_id")
    if kind == "update_display_data":
        for owner, output in displays.get(display_id, []):
            output.data = content["data"]
            owner.metadata.setdefault("updates", []).append(content["data"])
    elif kind == "stream" and cell.outputs and cell.outputs[-1].get("name") == content["name"]:
        cell.outputs[-1].text += content["text"]
    elif kind in ("stream", "display_data", "execute_result", "error"):
        output = nbformat.v4.output_from_msg(message)
        cell.outputs.append(output)
        if display_id is not None:
            displays.setdefault(display_id, []).append((cell, output))


def error_of(text):
    return nbformat.v4.new_output("error", ename="Timeout", evalue=text, traceback=[text])


main(sys.argv[1], sys.argv[2])
