#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""embed.py NAME FILE OUT: write FILE as the bytes of a C object NAME with its size NAME_size."""
import sys

name, source, out = sys.argv[1:]
with open(source, 'rb') as f:
    data = f.read()
with open(out, 'w') as f:
    f.write('#include <stddef.h>\n')
    f.write(f'extern const unsigned char {name}[];\nextern const size_t {name}_size;\n')
    f.write(f'const size_t {name}_size = {len(data)};\n')
    f.write(f'const unsigned char {name}[{len(data)}] __attribute__((aligned(4096))) = {{\n')
    for i in range(0, len(data), 20):
        f.write('\t' + ''.join(f'{b},' for b in data[i:i + 20]) + '\n')
    f.write('};\n')
