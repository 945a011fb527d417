# SPDX-License-Identifier: Apache-2.0
#
# For gdb: the pools of the process it is attached to, from one pool down, as dump_all_pools of httpd's .gdbinit has
# them, but from raw memory: no symbols. A line of JSON for each pool, parents first, each one's children in the order of
# its list. Where what stands is told by $POOLS_LAYOUT, the answer of the probe to layout=1. See gdb.t.
import json
import os

import gdb

layout = json.loads(os.environ["POOLS_LAYOUT"])
process = gdb.selected_inferior()


# A struct's bytes from its start to the end of the last of these fields; and a field of it.
def struct(at, *fields):
    return process.read_memory(at, max(layout[f] for f in fields) + layout["word"]).tobytes()


def field(bytes, name, size=layout["word"]):
    return int.from_bytes(bytes[layout[name]:layout[name] + size], "little")


# Sizes as .gdbinit takes them: pages by a node's index, free is what is left of each.
def dump(at, pool):
    first = at_node = field(pool, "active")
    size = free = nodes = 0
    while nodes == 0 or at_node != first:
        node = struct(at_node, "next", "index", "first_avail", "endp")
        size += (field(node, "index", 4) + 1) << 12
        free += field(node, "endp") - field(node, "first_avail")
        nodes += 1
        at_node = field(node, "next")
    tag = field(pool, "tag")
    tag = gdb.Value(tag).cast(gdb.lookup_type("char").pointer()).string() if tag else None
    print(json.dumps({"at": hex(at), "tag": tag, "nodes": nodes, "size": size, "free": free}))


# A pool's children wait, the first of them to be next; a tree may be deep.
waiting = [int(layout["root"], 16)]
while waiting:
    at = waiting.pop()
    pool = struct(at, "child", "sibling", "tag", "active")
    dump(at, pool)
    children = []
    child = field(pool, "child")
    while child:
        children.append(child)
        child = field(struct(child, "sibling"), "sibling")
    waiting += reversed(children)
