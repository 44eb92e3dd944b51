"""Constants of the `.lac` format, version 1. Every value here is quoted in docs/format.md; none may change within a major version."""

from __future__ import annotations

MAGIC = b"\x8aLAC\r\n\x1a\n"  # not text, and damaged by anything that rewrites line ends or strips the eighth bit
TRAILER_MAGIC = b"\x8bLAC\r\n\x1a\n"
SYNC = b"\xf5\xd7L\x9b"  # starts every frame outside a SINGLE part; a scan looks for it
MAJOR = 1
MINOR = 0

HEADER_SIZE = 13  # magic, major u8, minor u8, flags u8, check u16
TRAILER_SIZE = 32  # covered u64, index size u64, check u64, magic

# Header flags.
SINGLE = 0x01  # the part is one OBJECT frame and ends after it: no sync marker, no index, no trailer
COPIES = 0x02  # the part may hold COPY frames, so a reader of a pipe keeps what it has read
KNOWN_HEADER_FLAGS = SINGLE | COPIES

# Frame types (low four bits of the first head byte).
DATA = 1  # coded raw bytes of a stream
COPY = 2  # raw bytes equal to an earlier range of DATA frames
OPEN = 3  # table: entries whose streams begin here, extent not yet known
ENTRIES = 4  # table: complete entries
INDEX = 5  # streams, frames and entries of the region that the trailer covers
OBJECT = 6  # one unnamed entry and its data, in a SINGLE part
FRAME_TYPES = frozenset({DATA, COPY, OPEN, ENTRIES, INDEX, OBJECT})

# Frame flags (high four bits of the first head byte).
PAYLOAD_CHECK = 0x10  # the head ends with a u32 check of the payload
HAS_BASE = 0x20  # the payload is coded against a range of a base entry
KNOWN_FRAME_FLAGS = PAYLOAD_CHECK | HAS_BASE

# Codec numbers on the wire. All kinds that the project plans have their number from the start, so that a reader that lacks one can
# still name it. A codec from elsewhere is NAMED: its name follows.
STORED = 0
CODEC_NAMES = {0: "stored", 1: "bytes", 2: "weights", 3: "logs", 4: "image", 5: "audio", 6: "kv", 7: "text", 8: "checkpoint"}
CODEC_NUMBERS = {name: number for number, name in CODEC_NAMES.items()}
NAMED_CODEC = 127

# Entry types: what the entry was before it was encoded, and so what it becomes again.
ENTRY_TYPES = (
    "bytes", "bytearray", "memoryview", "ndarray", "scalar", "torch", "value",
    "dict", "odict", "list", "tuple", "file", "dir", "symlink", "tensor", "text", "image",
)  # fmt: skip

# dtypes with a one-byte code; any other is written as text (code 0).
DTYPES = (
    "", "|b1", "|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8", "<c8", "<c16",
    "bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu",
    "float8_e4m3", "float8_e3m4", "float8_e4m3b11fnuz", "float4_e2m1fn", "float6_e2m3fn", "float6_e3m2fn",
    "int4", "uint4", "int2", "uint2", ">f2", ">f4", ">f8", ">i2", ">i4", ">i8", ">u2", ">u4", ">u8",
)  # fmt: skip
DTYPE_CODES = {name: code for code, name in enumerate(DTYPES) if code}

# Limits. A decoder may refuse anything above them before it allocates.
MAX_FRAME_RAW = 1 << 25  # raw bytes of one DATA or COPY frame
MAX_HEAD = 1 << 12  # bytes of a frame head
MAX_PARAMS = 1 << 10  # bytes of codec parameters in a head
MAX_TABLE_RAW = 1 << 20  # raw bytes of an OPEN or ENTRIES table
MAX_NAME = 1 << 12  # UTF-8 bytes of an entry name
MAX_META = 1 << 16  # CBOR bytes of one entry's metadata
MAX_DIMS = 64
MAX_COUNT = 1 << 62  # any size, offset or number of elements
MAX_BASE_DEPTH = 32  # bases of bases
MAX_BASE_READS = 128  # ranges of bases that one frame may need in all: crafted chains would double at each step
MAX_NESTING = 64  # containers in containers


def max_stored(raw_size: int) -> int:
    """The most bytes the payload of a frame of `raw_size` raw bytes may have (a codec that can't do it stores the frame)."""
    return raw_size + 64


def max_index_raw(covered: int) -> int:
    """The most raw bytes an index may unpack to, when its part has `covered` bytes: an index is small unless the file earned it."""
    return (1 << 20) + 16 * covered
