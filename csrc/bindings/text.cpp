// The coders of the bytes codec, on anything with the buffer protocol.
#include "bindings/bindings.h"
#include "bindings/buffers.h"
#include "entropy/error.h"
#include "text/bwt.h"
#include "text/byte_coder.h"
#include "text/repeats.h"
#include "text/rewriting.h"
#include "text/sorted_block.h"

namespace py = pybind11;

namespace laconic::bindings {

void bind_text(py::module_ &m) {
    py::class_<text::ByteCoder>(m, "ByteCoder", "A context-mixing coder for bytes (codecs/bytes/FORMAT.md).")
        .def(
            "encode",
            [](const text::ByteCoder &coder, const py::buffer &raw) {
                const ByteView in(raw);
                std::vector<uint8_t> stream;
                {
                    const py::gil_scoped_release release;
                    stream = coder.encode({in.data(), in.size()});
                }
                return py::bytes(reinterpret_cast<const char *>(stream.data()), stream.size());
            },
            py::arg("raw"), "The stream of at most 16 MiB.")
        .def(
            "decode",
            [](const text::ByteCoder &coder, const py::buffer &stream, const py::buffer &out) {
                const ByteView in(stream);
                const WritableByteView raw(out);
                const py::gil_scoped_release release;
                coder.decode({in.data(), in.size()}, {raw.data(), raw.size()});
            },
            py::arg("stream"), py::arg("out"), "Fill `out` from such a stream; CorruptDataError if it is none.");
    const auto make = [](auto make_coder) {
        return [make_coder](const py::buffer &primer, bool binary) {
            const ByteView in(primer);
            return make_coder({in.data(), in.size()}, binary ? text::Content::binary : text::Content::text);
        };
    };
    m.def("mixed_coder", make(text::make_mixed_coder), py::arg("primer") = py::bytes(), py::arg("binary") = false,
          "The coder of level `high`, with a model that knows `primer`.");
    m.def("wide_coder", make(text::make_wide_coder), py::arg("primer") = py::bytes(), py::arg("binary") = false,
          "The coder of level `max`, with a model that knows `primer`.");
    m.def(
        "choose_rewriting",
        [](const py::buffer &raw) -> py::object {
            const ByteView in(raw);
            text::Rewriting how;
            {
                const py::gil_scoped_release release;
                how = text::choose_rewriting({in.data(), in.size()});
            }
            if (!how.calls && how.stride == 0) return py::none();
            const auto code = text::pack_rewriting(how);
            return py::bytes(reinterpret_cast<const char *>(code.data()), code.size());
        },
        py::arg("raw"), "Two bytes that name a rewriting (codecs/bytes/FORMAT.md), or None where none pays.");
    const auto in_place = [](auto change) {
        return [change](const py::buffer &code, const py::buffer &raw) {
            const ByteView name(code);
            const WritableByteView bytes(raw);
            const py::gil_scoped_release release;
            change(std::span<uint8_t>(bytes.data(), bytes.size()), text::parse_rewriting({name.data(), name.size()}));
        };
    };
    m.def("rewrite", in_place(text::rewrite), py::arg("code"), py::arg("raw"), "Rewrite in place.");
    m.def("restore_rewritten", in_place(text::restore), py::arg("code"), py::arg("raw"),
          "Undo a rewriting in place; CorruptDataError if there is no such one.");
    m.def(
        "remove_repeats",
        [](const py::buffer &raw, size_t shortest) {
            const ByteView in(raw);
            if (shortest < text::kShortestCopy || in.size() > text::kMaxBwtBytes)
                throw std::invalid_argument("repeats of at least 24 bytes are taken out of at most 16 MiB");
            std::vector<uint8_t> form;
            {
                const py::gil_scoped_release release;
                form = text::remove_repeats({in.data(), in.size()}, shortest);
            }
            return py::bytes(reinterpret_cast<const char *>(form.data()), form.size());
        },
        py::arg("raw"), py::arg("shortest"), "The form without long repeats (codecs/bytes/FORMAT.md).");
    m.def(
        "restore_repeats",
        [](const py::buffer &form, size_t shortest, const py::buffer &out) {
            const ByteView in(form);
            const WritableByteView raw(out);
            const py::gil_scoped_release release;
            if (shortest < text::kShortestCopy) throw CorruptData("repeats that are too short");
            text::restore_repeats({in.data(), in.size()}, shortest, {raw.data(), raw.size()});
        },
        py::arg("form"), py::arg("shortest"), py::arg("out"), "Fill `out` from such a form; CorruptDataError if it is none.");
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
