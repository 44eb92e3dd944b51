// The audio codec's frames, on anything with the buffer protocol.
#include "audio/frame.h"
#include "bindings/bindings.h"
#include "bindings/buffers.h"

namespace py = pybind11;

namespace laconic::bindings {

namespace {

audio::SampleFormat make_format(unsigned width, unsigned kind, bool big_endian, size_t channels) {
    const audio::SampleFormat format{width, static_cast<audio::SampleKind>(kind), big_endian, channels};
    format.check();
    return format;
}

py::bytes encode(const py::buffer &raw, unsigned width, unsigned kind, bool big_endian, size_t channels, bool fast) {
    const auto format = make_format(width, kind, big_endian, channels);
    const ByteView in(raw);
    std::vector<uint8_t> payload;
    {
        const py::gil_scoped_release release;
        payload = audio::encode_frame(in.data(), in.size(), format, fast ? audio::Method::lpc : audio::Method::cascade);
    }
    return {reinterpret_cast<const char *>(payload.data()), payload.size()};
}

void decode(const py::buffer &payload, const py::buffer &out, unsigned width, unsigned kind, bool big_endian, size_t channels) {
    const auto format = make_format(width, kind, big_endian, channels);
    const ByteView in(payload);
    const WritableByteView raw(out);
    const py::gil_scoped_release release;
    audio::decode_frame(in.data(), in.size(), format, raw.data(), raw.size());
}

py::tuple inspect(const py::buffer &payload) {
    const ByteView in(payload);
    const audio::FrameReport report = audio::inspect_frame(in.data(), in.size());
    return py::make_tuple(static_cast<int>(report.method), report.channels);
}

}  // namespace

void bind_audio(py::module_ &m) {
    m.def("encode_audio", &encode, py::arg("raw"), py::arg("width"), py::arg("kind"), py::arg("big_endian"), py::arg("channels"),
          py::arg("fast"),
          "Payload of a PCM frame of the audio codec (codecs/audio/FORMAT.md); empty for floats that are no integers.");
    m.def("decode_audio", &decode, py::arg("payload"), py::arg("out"), py::arg("width"), py::arg("kind"), py::arg("big_endian"),
          py::arg("channels"), "Fill `out` from such a payload; CorruptDataError if it is none.");
    m.def("inspect_audio", &inspect, py::arg("payload"), "(method, channels) of a payload.");
}

}  // namespace laconic::bindings
