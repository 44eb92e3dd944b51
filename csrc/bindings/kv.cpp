// Segments of KV caches, on anything with the buffer protocol.
#include <pybind11/numpy.h>

#include <memory>
#include <utility>

#include "bindings/bindings.h"
#include "bindings/buffers.h"
#include "entropy/context_fit.h"
#include "kv/channel_tables.h"
#include "kv/lossless.h"
#include "kv/quantiser.h"

namespace py = pybind11;

namespace laconic::bindings {

namespace {

kv::SegmentFormat make_format(unsigned width, size_t channels) {
    const kv::SegmentFormat format{width, channels};
    format.check();
    return format;
}

py::bytes encode_lossless(const py::buffer &raw, unsigned width, size_t channels, size_t groups) {
    const auto format = make_format(width, channels);
    if (groups < 2 || groups > kv::kMaxTables) throw std::invalid_argument("groups must be 2 to 64");
    const ByteView in(raw);
    std::vector<uint8_t> payload;
    {
        const py::gil_scoped_release release;
        payload = kv::encode_lossless(in.data(), in.size(), format, groups);
    }
    return {reinterpret_cast<const char *>(payload.data()), payload.size()};
}

void decode_lossless(const py::buffer &payload, const py::buffer &out, unsigned width, size_t channels) {
    const auto format = make_format(width, channels);
    const ByteView in(payload);
    const WritableByteView raw(out);
    const py::gil_scoped_release release;
    kv::decode_lossless(in.data(), in.size(), format, raw.data(), raw.size());
}

template <typename T>
using Array = py::array_t<T, py::array::c_style | py::array::forcecast>;

template <typename T>
std::vector<T> to_vector(const Array<T> &array) {
    return {array.data(), array.data() + array.size()};
}

py::bytes to_bytes(const std::vector<uint8_t> &bytes) { return {reinterpret_cast<const char *>(bytes.data()), bytes.size()}; }

std::unique_ptr<kv::Quantiser> make_quantiser(size_t channels, const Array<float> &mean, const Array<float> &step, size_t block,
                                              const Array<float> &basis, const Array<uint8_t> &table_of, size_t head,
                                              const Array<double> &frequencies, bool neighbours) {
    return std::make_unique<kv::Quantiser>(kv::QuantiserSpec{channels, kv::Rotary{head, neighbours, to_vector(frequencies)},
                                                             to_vector(mean), to_vector(step), block, to_vector(basis),
                                                             to_vector(table_of)});
}

kv::Element make_element(unsigned element) {
    if (element < 1 || element > 3) throw std::invalid_argument("quantised elements are bf16, fp16 or fp32");
    return static_cast<kv::Element>(element);
}

size_t rows_of(const kv::Quantiser &quantiser, const kv::IndexTables &tables, kv::Element element, size_t size) {
    const size_t row_bytes = quantiser.channels() * kv::width_of(element);
    if (size % row_bytes != 0) throw std::invalid_argument("the segment does not end with a row");
    if (quantiser.tables_needed() > tables.count()) throw std::invalid_argument("a component has no table");
    return size / row_bytes;
}

py::bytes quantise(const kv::Quantiser &quantiser, const py::buffer &raw, unsigned element_code, size_t position, size_t first,
                   size_t last, size_t groups, const kv::IndexTables &tables, const py::buffer &reconstructed) {
    const kv::Element element = make_element(element_code);
    const ByteView in(raw);
    const WritableByteView out(reconstructed);
    if (out.size() != in.size()) throw std::invalid_argument("the reconstruction has the size of the segment");
    const size_t rows = rows_of(quantiser, tables, element, in.size());
    std::vector<uint8_t> payload;
    {
        const py::gil_scoped_release release;
        payload = quantiser.encode(in.data(), rows, element, position, {first, last}, groups, tables, out.data());
    }
    return to_bytes(payload);
}

void reconstruct(const kv::Quantiser &quantiser, const py::buffer &payload, unsigned element_code, size_t position,
                 const kv::IndexTables &tables, const py::buffer &out) {
    const kv::Element element = make_element(element_code);
    const ByteView in(payload);
    const WritableByteView raw(out);
    const size_t rows = rows_of(quantiser, tables, element, raw.size());
    const py::gil_scoped_release release;
    quantiser.decode(in.data(), in.size(), element, position, tables, raw.data(), rows);
}

py::tuple fit(const Array<uint32_t> &counts, unsigned precision) {
    if (counts.ndim() != 2 || counts.shape(1) != 256) throw std::invalid_argument("counts must have the shape (contexts, 256)");
    const std::vector<uint32_t> rows = to_vector(counts);
    entropy::FittedTables fitted;
    {
        const py::gil_scoped_release release;
        fitted = entropy::fit_tables(rows, 256, precision);
    }
    return py::make_tuple(py::array_t<uint8_t>(static_cast<py::ssize_t>(fitted.table_of.size()), fitted.table_of.data()),
                          py::array_t<uint16_t>({static_cast<py::ssize_t>(fitted.count), py::ssize_t{256}}, fitted.freqs.data()));
}

}  // namespace

void bind_kv(py::module_ &m) {
    m.def("encode_kv", &encode_lossless, py::arg("raw"), py::arg("width"), py::arg("channels"), py::arg("groups"),
          "A segment of rows of `channels` floats, exactly (codecs/kv/FORMAT.md); empty where there is no whole row.");
    m.def("decode_kv", &decode_lossless, py::arg("payload"), py::arg("out"), py::arg("width"), py::arg("channels"),
          "Fill `out` from such a payload; CorruptDataError if it is none.");
    py::class_<kv::Quantiser>(m, "KVQuantiser", "One layer's keys or values with loss (codecs/kv/FORMAT.md, method 3).")
        .def(py::init(&make_quantiser), py::arg("channels"), py::arg("mean"), py::arg("step"), py::arg("block"), py::arg("basis"),
             py::arg("table_of"), py::arg("head"), py::arg("frequencies"), py::arg("neighbours"))
        .def("encode", &quantise, py::arg("raw"), py::arg("element"), py::arg("position"), py::arg("first"), py::arg("last"),
             py::arg("groups"), py::arg("tables"), py::arg("reconstructed"),
             "The payload; what it decodes to goes to `reconstructed`. ValueError for values that are not finite.")
        .def("decode", &reconstruct, py::arg("payload"), py::arg("element"), py::arg("position"), py::arg("tables"),
             py::arg("out"), "Fill `out`; CorruptDataError if the payload is none.");
    m.def(
        "fit_kv_tables", &fit, py::arg("counts"), py::arg("precision"),
        "(table of each context, frequencies (tables, 256)) for counts (contexts, 256): contexts that are alike share a table.");
}

}  // namespace laconic::bindings
