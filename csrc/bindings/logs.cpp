// Frames of the logs codec, on anything with the buffer protocol.
#include <algorithm>
#include <bit>
#include <memory>

#include "bindings/bindings.h"
#include "bindings/buffers.h"
#include "log/columns.h"
#include "log/grams.h"
#include "log/parse.h"
#include "log/rows.h"

namespace py = pybind11;

namespace laconic::bindings {

namespace {

py::bytes to_bytes(const std::vector<uint8_t> &data) { return {reinterpret_cast<const char *>(data.data()), data.size()}; }

py::object encode_rows(const py::buffer &raw) {
    const ByteView in(raw);
    std::vector<uint8_t> out;
    {
        const py::gil_scoped_release release;
        const logs::ParsedLog log = logs::parse_log(in.data(), in.size());
        if (log.pays(in.size())) out = logs::encode_rows(in.data(), in.size(), log);
    }
    return out.empty() ? py::object(py::none()) : to_bytes(out);
}

void decode_rows(const py::buffer &payload, const py::buffer &out) {
    const ByteView in(payload);
    const WritableByteView raw(out);
    const py::gil_scoped_release release;
    logs::decode_rows(in.data(), in.size(), raw.data(), raw.size());
}

py::object split_columns(const py::buffer &raw) {
    const ByteView in(raw);
    logs::Streams streams;
    bool pays;
    {
        const py::gil_scoped_release release;
        const logs::ParsedLog log = logs::parse_log(in.data(), in.size());
        pays = log.pays(in.size());
        if (pays) {
            streams = logs::split_columns(in.data(), log);
            size_t total = 0;
            for (const auto &stream : streams) total += stream.size();
            pays = total <= logs::streams_bound(in.size());
        }
    }
    if (!pays) return py::none();
    py::list result;
    for (const auto &stream : streams) result.append(to_bytes(stream));
    return result;
}

void join_columns(const py::sequence &streams, const py::buffer &out) {
    if (streams.size() != logs::kStreams) throw std::invalid_argument("a log has another number of streams");
    std::vector<std::unique_ptr<ByteView>> held;
    logs::StreamViews views;
    for (size_t k = 0; k < views.size(); ++k) {
        held.push_back(std::make_unique<ByteView>(streams[k]));
        views[k] = {held[k]->data(), held[k]->size()};
    }
    const WritableByteView raw(out);
    const py::gil_scoped_release release;
    logs::join_columns(views, raw.data(), raw.size());
}

size_t count_newlines(const py::buffer &raw) {
    const ByteView in(raw);
    const py::gil_scoped_release release;
    return static_cast<size_t>(std::count(in.data(), in.data() + in.size(), '\n'));
}

py::bytes collect_grams(const py::buffer &raw, unsigned bits) {
    if (bits < 3 || bits > 24) throw std::invalid_argument("a filter has 2^3 to 2^24 bits");
    const ByteView in(raw);
    return make_bytes((size_t{1} << bits) / 8, [&](uint8_t *out) {
        const size_t size = (size_t{1} << bits) / 8;
        std::fill(out, out + size, uint8_t{0});
        logs::collect_grams(in.data(), in.size(), bits, out);
        return size;
    });
}

bool may_hold_grams(const py::buffer &filter, const py::buffer &literal) {
    const ByteView bits(filter);
    const ByteView text(literal);
    if (!std::has_single_bit(bits.size()) || bits.size() > (1u << 21))
        throw std::invalid_argument("a filter has 2^3 to 2^24 bits");
    return logs::may_hold_grams(bits.data(), static_cast<unsigned>(std::bit_width(bits.size())) + 2, text.data(), text.size());
}

}  // namespace

void bind_logs(py::module_ &m) {
    m.def("encode_log_rows", &encode_rows, py::arg("raw"),
          "Body of a `rows` frame of the logs codec (codecs/logs/FORMAT.md); None where lines are too little alike.");
    m.def("decode_log_rows", &decode_rows, py::arg("payload"), py::arg("out"),
          "Fill `out` from such a payload; CorruptDataError if it is none.");
    m.def("split_log_columns", &split_columns, py::arg("raw"),
          "The streams of a `columns` frame (codecs/logs/FORMAT.md); None where lines are too little alike.");
    m.def("join_log_columns", &join_columns, py::arg("streams"), py::arg("out"),
          "Fill `out` from such streams; CorruptDataError if they are none.");
    m.def("count_newlines", &count_newlines, py::arg("raw"));
    m.def("collect_grams", &collect_grams, py::arg("raw"), py::arg("bits"), "The filter of 2^bits bits of csrc/log/grams.h.");
    m.def("may_hold_grams", &may_hold_grams, py::arg("filter"), py::arg("literal"),
          "False only where what the filter was made from does not hold the literal.");
}

}  // namespace laconic::bindings
