// The weights codec's frames, on anything with the buffer protocol.
#include <pybind11/stl.h>

#include <algorithm>

#include "bindings/bindings.h"
#include "bindings/buffers.h"
#include "bindings/hash.h"
#include "float/delta.h"
#include "float/elements.h"
#include "float/weights_frame.h"

namespace py = pybind11;

namespace laconic::bindings {

namespace {

floats::ElementFormat make_format(unsigned width, unsigned rotate, bool big_endian) {
    const floats::ElementFormat format{width, rotate, big_endian};
    floats::check_format(format);
    return format;
}

py::bytes encode(const py::buffer &raw, unsigned width, unsigned rotate, bool big_endian, const py::object &base,
                 bool prefer_speed) {
    const auto format = make_format(width, rotate, big_endian);
    const ByteView in(raw);
    const OptionalByteView reference(base, in.size());
    return make_bytes(floats::frame_bound(in.size(), format), [&](uint8_t *out) {
        return floats::encode_frame(in.data(), in.size(), reference.data(), format, prefer_speed, out);
    });
}

void decode(const py::buffer &payload, const py::buffer &out, unsigned width, unsigned rotate, bool big_endian,
            const py::object &base) {
    const auto format = make_format(width, rotate, big_endian);
    const ByteView in(payload);
    const WritableByteView raw(out);
    const OptionalByteView reference(base, raw.size());
    const py::gil_scoped_release release;
    floats::decode_frame(in.data(), in.size(), reference.data(), format, raw.data(), raw.size());
}

py::bytes encode_elements(const py::buffer &raw, unsigned width, unsigned rotate, bool big_endian, unsigned effort) {
    const auto format = make_format(width, rotate, big_endian);
    if (effort > 2) throw std::invalid_argument("effort is 0, 1 or 2");
    const ByteView in(raw);
    return make_bytes(floats::elements_bound(in.size(), format), [&](uint8_t *out) {
        return floats::encode_elements(in.data(), in.size(), format, floats::Effort{static_cast<uint8_t>(effort)}, out);
    });
}

void decode_elements(const py::buffer &payload, const py::buffer &out, unsigned width, unsigned rotate, bool big_endian) {
    const auto format = make_format(width, rotate, big_endian);
    const ByteView in(payload);
    const WritableByteView raw(out);
    const py::gil_scoped_release release;
    floats::decode_elements(in.data(), in.size(), format, raw.data(), raw.size());
}

uint64_t deliver_elements(const py::buffer &payload, const py::buffer &out, unsigned width, unsigned rotate, bool big_endian,
                          const std::vector<hash::Xxh3 *> &others, bool past_caches) {
    const auto format = make_format(width, rotate, big_endian);
    const ByteView in(payload);
    const WritableByteView raw(out);
    if (raw.size() <= hash::kShort) throw std::invalid_argument("a short frame");
    FrameHashes hashes(others);
    const py::gil_scoped_release release;
    floats::Delivery delivery(hashes.all(), past_caches);
    floats::decode_elements(in.data(), in.size(), format, raw.data(), raw.size(), false, &delivery);
    delivery.rest(raw.data(), raw.size());
    return hashes.check();
}

py::bytes encode_delta(const py::buffer &raw, const py::buffer &base, unsigned width, unsigned rotate, bool big_endian,
                       const py::object &contexts, const py::bytes &prefix) {
    const auto format = make_format(width, rotate, big_endian);
    const ByteView in(raw), reference(base), before(prefix);
    if (reference.size() != in.size()) throw std::invalid_argument("the base does not have the size of the data");
    const OptionalByteView chosen(contexts, in.size() / width);
    return make_bytes(before.size() + floats::delta_bound(in.size(), format), [&](uint8_t *out) {
        out = std::copy_n(before.data(), before.size(), out);
        return before.size() + floats::encode_delta(in.data(), reference.data(), chosen.data(), in.size(), format, out);
    });
}

void decode_delta(const py::buffer &payload, const py::buffer &base, const py::buffer &out, unsigned width, unsigned rotate,
                  bool big_endian, const py::object &contexts) {
    const auto format = make_format(width, rotate, big_endian);
    const ByteView in(payload), reference(base);
    const WritableByteView raw(out);
    if (reference.size() != raw.size()) throw std::invalid_argument("the base does not have the size of the data");
    const OptionalByteView chosen(contexts, raw.size() / width);
    const py::gil_scoped_release release;
    floats::decode_delta(in.data(), in.size(), reference.data(), chosen.data(), raw.data(), raw.size(), format);
}

py::tuple inspect_elements(const py::buffer &payload, size_t raw_size, unsigned width, unsigned rotate, bool big_endian) {
    const ByteView in(payload);
    const auto found = floats::inspect_elements(in.data(), in.size(), make_format(width, rotate, big_endian), raw_size);
    py::list parts;
    for (const auto &part : found.parts) parts.append(py::make_tuple(part.form, part.bytes));
    return py::make_tuple(found.method, parts);
}

py::list inspect(const py::buffer &payload, size_t raw_size, unsigned width, unsigned rotate) {
    const auto format = make_format(width, rotate, false);
    const ByteView in(payload);
    floats::PlaneReport planes[floats::kMaxWidth];
    floats::inspect_frame(in.data(), in.size(), format, raw_size, planes);
    py::list result;
    for (size_t k = 0; k < width; ++k) result.append(py::make_tuple(planes[k].form, planes[k].bytes));
    return result;
}

}  // namespace

void bind_floats(py::module_ &m) {
    m.def("encode_planes", &encode, py::arg("raw"), py::arg("width"), py::arg("rotate"), py::arg("big_endian"), py::arg("base"),
          py::arg("prefer_speed"), "Payload of a `planes` frame of the weights codec (codecs/weights/FORMAT.md).");
    m.def("decode_planes", &decode, py::arg("payload"), py::arg("out"), py::arg("width"), py::arg("rotate"),
          py::arg("big_endian"), py::arg("base"), "Fill `out` from such a payload; CorruptDataError if it is none.");
    m.def("encode_elements", &encode_elements, py::arg("raw"), py::arg("width"), py::arg("rotate"), py::arg("big_endian"),
          py::arg("effort"),
          "Payload of a frame of elements, by the method that takes the fewest bytes (codecs/weights/FORMAT.md). `effort`: 0 for "
          "speed, 1, or 2 to try context mixing.");
    m.def("decode_elements", &decode_elements, py::arg("payload"), py::arg("out"), py::arg("width"), py::arg("rotate"),
          py::arg("big_endian"), "Fill `out` from such a payload; CorruptDataError if it is none.");
    m.def("deliver_elements", &deliver_elements, py::arg("payload"), py::arg("out"), py::arg("width"), py::arg("rotate"),
          py::arg("big_endian"), py::arg("others"), py::arg("past_caches"),
          "As `decode_elements`, of more than 240 bytes; returns their xxh3_64. The other hashes (up to three) take them too. "
          "`past_caches`: `out` will not be read soon.");
    m.def("inspect_elements", &inspect_elements, py::arg("payload"), py::arg("raw_size"), py::arg("width"), py::arg("rotate"),
          py::arg("big_endian"), "(method, [(form, coded bytes)] for each part in stored order).");
    m.def("encode_delta", &encode_delta, py::arg("raw"), py::arg("base"), py::arg("width"), py::arg("rotate"),
          py::arg("big_endian"), py::arg("contexts") = py::none(), py::arg("prefix") = py::bytes(),
          "`prefix` and the coded differences of elements and a base of the same size (codecs/weights/FORMAT.md, `delta`).\n\n"
          "`rotate`: 0 integers, 1 bf16, fp16 and fp32, 4 fp64. `contexts`: one byte an element that the decoder will know too; "
          "None: the exponent of the base.");
    m.def(
        "decode_delta", &decode_delta, py::arg("payload"), py::arg("base"), py::arg("out"), py::arg("width"), py::arg("rotate"),
        py::arg("big_endian"), py::arg("contexts") = py::none(),
        "Fill `out`, which may be `base` itself, from such differences (without the prefix); CorruptDataError if they are none.");
    m.def("inspect_planes", &inspect, py::arg("payload"), py::arg("raw_size"), py::arg("width"), py::arg("rotate"),
          "[(form of the first block, coded bytes)] for each plane.");
}

}  // namespace laconic::bindings
