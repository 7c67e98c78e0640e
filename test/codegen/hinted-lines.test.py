#!/usr/bin/python3
"""Makes each hint of a library the store of a byte at its place: prefetch and seto are coded alike.

    test/codegen/hinted-lines.test.py LIBRARY
"""
import pathlib
import re
import subprocess
import sys

LLVM = "/usr/lib/llvm-22/bin/"

library = pathlib.Path(sys.argv[1])
sections = subprocess.run([LLVM + "llvm-readelf", "-SW", library], check=True, text=True, stdout=subprocess.PIPE).stdout
start, offset = (int(word, 16) for word in re.search(r"\.text\s+PROGBITS\s+(\w+)\s+(\w+)", sections).groups())
code = subprocess.run([LLVM + "llvm-objdump", "-d", library], check=True, text=True, stdout=subprocess.PIPE).stdout
data = bytearray(library.read_bytes())
hints = re.findall(r"^\s*(\w+): ((?:[0-9a-f]{2} )+)\s*prefetch", code, re.M)
assert hints, "no hint"
for at, words in hints:
    opcode = words.split().index("18")
    place = int(at, 16) - start + offset + opcode
    assert data[place - 1 : place + 1] == b"\x0f\x18"
    data[place] = 0x90
library.write_bytes(data)
