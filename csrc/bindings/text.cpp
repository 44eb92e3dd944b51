// The mixing coder of the bytes codec, on anything with the buffer protocol.
#include <cstring>

#include "bindings/bindings.h"
#include "bindings/buffers.h"
#include "text/bwt.h"
#include "text/byte_model.h"
#include "text/sorted_block.h"
#include "text/wide_model.h"

namespace py = pybind11;

namespace laconic::bindings {

void bind_text(py::module_ &m) {
    m.def(
        "encode_mixed",
        [](const py::buffer &raw) {
            const ByteView in(raw);
            std::vector<uint8_t> stream;
            {
                const py::gil_scoped_release release;
                stream = text::encode_mixed(in.data(), in.size());
            }
            return py::bytes(reinterpret_cast<const char *>(stream.data()), stream.size());
        },
        py::arg("raw"), "Stream of the context-mixing model for bytes (codecs/bytes/FORMAT.md).");
    m.def(
        "decode_mixed",
        [](const py::buffer &stream, const py::buffer &out) {
            const ByteView in(stream);
            const WritableByteView raw(out);
            const py::gil_scoped_release release;
            text::decode_mixed({in.data(), in.size()}, raw.data(), raw.size());
        },
        py::arg("stream"), py::arg("out"), "Fill `out` from such a stream; CorruptDataError if it is none.");
    m.def(
        "encode_wide",
        [](const py::buffer &raw) {
            const ByteView in(raw);
            std::vector<uint8_t> stream;
            {
                const py::gil_scoped_release release;
                stream = text::encode_wide(in.data(), in.size());
            }
            return py::bytes(reinterpret_cast<const char *>(stream.data()), stream.size());
        },
        py::arg("raw"), "Stream of the wide context-mixing model for bytes (codecs/bytes/FORMAT.md).");
    m.def(
        "decode_wide",
        [](const py::buffer &stream, const py::buffer &out) {
            const ByteView in(stream);
            const WritableByteView raw(out);
            const py::gil_scoped_release release;
            text::decode_wide({in.data(), in.size()}, raw.data(), raw.size());
        },
        py::arg("stream"), py::arg("out"), "Fill `out` from such a stream; CorruptDataError if it is none.");
    m.def(
        "encode_sorted",
        [](const py::buffer &raw) {
            const ByteView in(raw);
            if (in.size() == 0 || in.size() > text::kMaxBwtBytes) throw std::invalid_argument("a block has 1 byte to 16 MiB");
            std::vector<uint8_t> stream;
            {
                const py::gil_scoped_release release;
                stream = text::encode_sorted({in.data(), in.size()});
            }
            return py::bytes(reinterpret_cast<const char *>(stream.data()), stream.size());
        },
        py::arg("raw"), "Stream of a block coded by sorting (codecs/bytes/FORMAT.md).");
    m.def(
        "decode_sorted",
        [](const py::buffer &stream, const py::buffer &out) {
            const ByteView in(stream);
            const WritableByteView raw(out);
            const py::gil_scoped_release release;
            text::decode_sorted({in.data(), in.size()}, {raw.data(), raw.size()});
        },
        py::arg("stream"), py::arg("out"), "Fill `out` from such a stream; CorruptDataError if it is none.");
}

}  // namespace laconic::bindings
