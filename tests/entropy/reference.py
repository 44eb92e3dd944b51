"""A second decoder of the block format, in plain Python integers and written from docs/entropy.md alone."""

from __future__ import annotations


class Bits:
    def __init__(self, data: bytes) -> None:
        self.value = int.from_bytes(data, "little")
        self.position, self.size = 0, 8 * len(data)

    def get(self, count: int) -> int:
        assert count <= self.size - self.position
        value = self.value >> self.position & ((1 << count) - 1)
        self.position += count
        return value

    def unary(self) -> int:
        count = 0
        while self.get(1):
            count += 1
        return count

    def gamma(self) -> int:
        extra = self.unary()
        return 1 << extra | self.get(extra)

    def finish(self) -> int:
        return -(-self.position // 8)


def read_table(bits: Bits, precision: int, alphabet: int = 256) -> list[int]:
    freqs: list[int] = []
    length, left = precision // 2, 1 << precision
    while left > 0:
        rank = bits.unary()
        if rank == 3:
            zeros = bits.gamma()
            assert zeros <= alphabet - len(freqs)
            freqs += [0] * zeros
            continue
        zigzag = rank if rank < 3 else rank - 1
        length += zigzag // 2 if zigzag % 2 == 0 else -(zigzag + 1) // 2
        freqs.append(1 << (length - 1) | bits.get(length - 1))
        left -= freqs[-1]
    assert left == 0
    assert len(freqs) <= alphabet
    return freqs + [0] * (alphabet - len(freqs))


def slots_of(freqs: list[int]) -> list[tuple[int, int, int]]:
    """(symbol, freq, bias) by slot."""
    return [(s, f, bias) for s, f in enumerate(freqs) for bias in range(f)]


def varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, position


def read_segments(data: bytes, position: int, n: int) -> tuple[list[int], int]:
    """Lengths of the segments, and where they end in `data`."""
    count, position = varint(data, position)
    lengths = []
    for _ in range(count - 1):
        rows, position = varint(data, position)
        assert rows > 0
        lengths.append(256 * rows)
    lengths.append(n - sum(lengths))
    assert lengths[-1] > 0
    return lengths, position


def decode_a(data: bytes, n: int, segmented: bool = False) -> bytes:
    lengths, position = read_segments(data, 0, n) if segmented else ([n], 0)
    bits = Bits(data[position:])
    tables = [slots_of(read_table(bits, 8)) for _ in lengths]
    slots_at = [slots for slots, length in zip(tables, lengths, strict=True) for _ in range(length)]
    position += bits.finish()
    count, position = varint(data, position)
    escapes = []
    place = 0
    for _ in range(count):
        gap, position = varint(data, position)
        place += gap
        escapes.append((place, data[position]))
        place += 1
        position += 1
    states = [int.from_bytes(data[position + 2 * k : position + 2 * k + 2], "little") for k in range(256)]
    position += 512
    out = bytearray(n)
    for row in range(0, n, 256):
        for lane in range(min(256, n - row)):
            symbol, freq, bias = slots_at[row + lane][states[lane] % 256]
            out[row + lane] = symbol
            states[lane] = freq * (states[lane] // 256) + bias
            if states[lane] < 256:
                states[lane] = states[lane] * 256 + data[position]
                position += 1
    assert position == len(data)
    assert states == [256] * 256
    for place, value in escapes:
        out[place] = value
    return bytes(out)


def read_states(bits: Bits, lanes: int) -> list[int]:
    states = []
    for _ in range(lanes):
        below = 15 + bits.get(4)
        states.append(1 << below | bits.get(below))
    return states


def decode_words(slots_at, states: list[int], words: bytes, precision: int, n: int, out=None) -> list[int]:
    """slots_at(i): the slots of symbol i's table; it may look at the symbols in `out` so far."""
    out = [] if out is None else out
    position = 0
    for i in range(n):
        lane = i % len(states)
        x = states[lane]
        symbol, freq, bias = slots_at(i)[x % (1 << precision)]
        out.append(symbol)
        x = freq * (x >> precision) + bias
        if x < 1 << 15:
            x = x << 16 | int.from_bytes(words[position : position + 2], "little")
            position += 2
        states[lane] = x
    assert position == len(words)
    assert states == [1 << 15] * len(states)
    return out


def decode_b(data: bytes, n: int, precision: int, lanes: int) -> bytes:
    bits = Bits(data)
    slots = slots_of(read_table(bits, precision))
    states = read_states(bits, lanes)
    return bytes(decode_words(lambda _: slots, states, data[bits.finish() :], precision, n))


def decode_b_segments(data: bytes, n: int, precision: int) -> bytes:
    size, position = varint(data, 0)
    first = n // 512 * 256
    out = b""
    for part, count in ((data[position : position + size], first), (data[position + size :], n - first)):
        lengths, at = read_segments(part, 0, count)
        bits = Bits(part[at:])
        tables = [slots_of(read_table(bits, precision)) for _ in lengths]
        of_symbol = [slots for slots, length in zip(tables, lengths, strict=True) for _ in range(length)]
        states = read_states(bits, 32)
        out += bytes(decode_words(lambda i, of=of_symbol: of[i], states, part[at + bits.finish() :], precision, count))
    return out


def decode_run(data: bytes, n: int) -> bytes:
    out = bytearray([data[0]]) * n
    gap_count, position = varint(data, 1)
    gaps_size, position = varint(data, position)
    gaps = decode_block(data[position : position + gaps_size], gap_count)
    others = iter(decode_block(data[position + gaps_size :], sum(gap != 255 for gap in gaps)))
    place = 0
    for gap in gaps:
        place += gap
        if gap != 255:
            out[place] = next(others)
            place += 1
    return bytes(out)


def decode_block(data: bytes, n: int) -> bytes:
    form, precision, rest = data[0] & 15, data[0] >> 4, data[1:]
    if form == 0:
        assert len(rest) == n
        return rest
    if form == 1:
        return rest * n
    if form == 2:
        return decode_run(rest, n)
    if form == 3:
        assert precision == 8
        return decode_a(rest, n)
    if form == 6:
        assert precision == 8
        return decode_a(rest, n, True)
    if form == 7:
        return decode_b_segments(rest, n, precision)
    return decode_b(rest, n, precision, {4: 32, 5: 4}[form])


def decode_chunks(tables: list[list[tuple[int, int, int]]], contexts, precision: int, data: bytes) -> list[int]:
    n = len(contexts)
    chunks = -(-n // (1 << 20))
    position, sizes = 0, []
    for _ in range(chunks - 1):
        size, position = varint(data, position)
        sizes.append(size)
    out: list[int] = []
    for k in range(chunks):
        end = position + sizes[k] if k < len(sizes) else len(data)
        of_chunk = contexts[k << 20 : (k + 1) << 20]
        bits = Bits(data[position:end])
        states = read_states(bits, 32 if len(of_chunk) >= 4096 else 4)
        words = data[position + bits.finish() : end]
        out += decode_words(lambda i, c=of_chunk: tables[c[i]], states, words, precision, len(of_chunk))
        position = end
    assert position == len(data)
    return out


def decode_fitted(data: bytes, contexts) -> list[int]:
    if not contexts:
        assert data == b""
        return []
    precision = data[0]
    context_count, position = varint(data, 1)
    alphabet, position = varint(data, position)
    count, position = varint(data, position)
    table_of = bytes(context_count)
    if count > 1:
        size, position = varint(data, position)
        table_of = decode_block(data[position : position + size], context_count)
        position += size
    bits = Bits(data[position:])
    tables = [slots_of(read_table(bits, precision, alphabet)) for _ in range(count)]
    return decode_chunks(tables, [table_of[c] for c in contexts], precision, data[position + bits.finish() :])


def decode_order1(data: bytes, n: int) -> bytes:
    if not n:
        assert data == b""
        return b""
    precision = data[0]
    context_count, position = varint(data, 1)
    alphabet, position = varint(data, position)
    count, position = varint(data, position)
    table_of = bytes(context_count)
    if count > 1:
        size, position = varint(data, position)
        table_of = decode_block(data[position : position + size], context_count)
        position += size
    bits = Bits(data[position:])
    tables = [slots_of(read_table(bits, precision, alphabet)) for _ in range(count)]
    data = data[position + bits.finish() :]
    assert n <= 1 << 20, "one chunk"
    lanes = 32 if n >= 4096 else 4
    bits = Bits(data)
    states = read_states(bits, lanes)
    coded: list[int] = []

    def slots_at(i: int) -> list[tuple[int, int, int]]:
        return tables[table_of[coded[i - lanes]] if i >= lanes else table_of[0]]

    decode_words(slots_at, states, data[bits.finish() :], precision, n, coded)
    length = n // lanes
    out = bytearray(n)
    for i, symbol in enumerate(coded):
        out[i % lanes * length + i // lanes if i < lanes * length else i] = symbol
    return bytes(out)
