"""`laconic.open`: archives as mappings from names to objects."""

from laconic.archive.opening import open_writer
from laconic.archive.reader import ArchiveReader, open_reader
from laconic.archive.writer import ArchiveWriter

__all__ = ["ArchiveReader", "ArchiveWriter", "open_reader", "open_writer"]
