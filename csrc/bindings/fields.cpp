// Records in fields, and the detection of numbers in unknown bytes, on anything with the buffer protocol.
#include "float/fields.h"

#include "bindings/bindings.h"
#include "bindings/buffers.h"
#include "float/detect.h"

namespace py = pybind11;

namespace laconic::bindings {

namespace {

floats::RecordLayout make_layout(const py::buffer &layout) {
    const ByteView view(layout);
    return floats::parse_layout(view.data(), view.size());
}

py::bytes encode(const py::buffer &raw, const py::buffer &layout, const py::object &base, bool prefer_speed) {
    const auto record = make_layout(layout);
    const ByteView in(raw);
    const OptionalByteView reference(base, in.size());
    return make_bytes(floats::fields_bound(in.size(), record), [&](uint8_t *out) {
        return floats::encode_fields(in.data(), in.size(), reference.data(), record, prefer_speed, out);
    });
}

void decode(const py::buffer &payload, const py::buffer &out, const py::buffer &layout, const py::object &base) {
    const auto record = make_layout(layout);
    const ByteView in(payload);
    const WritableByteView raw(out);
    const OptionalByteView reference(base, raw.size());
    const py::gil_scoped_release release;
    floats::decode_fields(in.data(), in.size(), reference.data(), record, raw.data(), raw.size());
}

py::list inspect(const py::buffer &payload, size_t raw_size, const py::buffer &layout) {
    const auto record = make_layout(layout);
    const ByteView in(payload);
    py::list result;
    for (const auto &planes : floats::inspect_fields(in.data(), in.size(), record, raw_size)) {
        py::list field;
        for (const auto &plane : planes) field.append(py::make_tuple(plane.form, plane.bytes));
        result.append(field);
    }
    return result;
}

py::object detect(const py::buffer &data) {
    const ByteView in(data);
    floats::Detected found;
    {
        const py::gil_scoped_release release;
        found = floats::detect_elements(in.data(), in.size());
    }
    if (!found.found) return py::none();
    return py::make_tuple(found.format.width, found.format.rotate, found.format.big_endian, found.phase);
}

}  // namespace

void bind_fields(py::module_ &m) {
    m.def("encode_fields", &encode, py::arg("raw"), py::arg("layout"), py::arg("base"), py::arg("prefer_speed"),
          "Payload of a `fields` frame of the weights codec (codecs/weights/FORMAT.md).");
    m.def("decode_fields", &decode, py::arg("payload"), py::arg("out"), py::arg("layout"), py::arg("base"),
          "Fill `out` from such a payload; CorruptDataError if it is none.");
    m.def("inspect_fields", &inspect, py::arg("payload"), py::arg("raw_size"), py::arg("layout"),
          "For each field, [(form of the first block, coded bytes)] for each plane.");
    m.def("detect_elements", &detect, py::arg("data"),
          "(width, rotate, big endian, bytes before the first element) of the floats that `data` seems to hold, or None.");
}

}  // namespace laconic::bindings
