"""Changes to a flattened device tree (Devicetree Specification 0.4, chapter 5). Pure."""

import struct
from collections.abc import Sequence

HEADER = struct.Struct(">10I")
BEGIN_NODE, END_NODE, PROPERTY, NOTHING = 1, 2, 3, 4
CELL = 4


def with_line_names(blob: bytes, node: str, names: Sequence[str]) -> bytes:
    """The tree with `gpio-line-names` at the first node whose name begins with `node`.

    Names are in the order of the lines, "" for one without; raises ValueError where there is no such node.
    """
    fields = HEADER.unpack_from(blob)
    magic, _, at_struct, at_strings, at_reserved, *version, strings_size, struct_size = fields
    structure = blob[at_struct : at_struct + struct_size]
    strings = blob[at_strings : at_strings + strings_size]
    value = b"".join(name.encode() + b"\0" for name in names)
    added = struct.pack(">III", PROPERTY, len(value), len(strings)) + _padded(value)
    position = _inside(structure, node.encode())
    structure = structure[:position] + added + structure[position:]
    strings += b"gpio-line-names\0"
    reserved = blob[at_reserved:at_struct]
    at_struct = HEADER.size + len(reserved)
    at_strings = at_struct + len(structure)
    head = HEADER.pack(
        magic,
        at_strings + len(strings),
        at_struct,
        at_strings,
        HEADER.size,
        *version,
        len(strings),
        len(structure),
    )
    return head + reserved + structure + strings


def _inside(structure: bytes, node: bytes) -> int:
    """Where the properties of a node begin."""
    position = 0
    while position < len(structure):
        (token,) = struct.unpack_from(">I", structure, position)
        position += CELL
        if token == BEGIN_NODE:
            name = structure[position : structure.index(b"\0", position)]
            position += len(_padded(name + b"\0"))
            if name.startswith(node):
                return position
        elif token == PROPERTY:
            (length,) = struct.unpack_from(">I", structure, position)
            position += 2 * CELL + len(_padded(bytes(length)))
    raise ValueError(f"the device tree has no node {node.decode()}")


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % CELL)
