// The image codec's frames, on anything with the buffer protocol.
#include <stdexcept>

#include "bindings/bindings.h"
#include "bindings/buffers.h"
#include "entropy/error.h"
#include "image/frame.h"
#include "image/png_filter.h"

namespace py = pybind11;

namespace laconic::bindings {

namespace {

image::PixelFormat make_format(unsigned bits, bool big_endian, bool is_signed, bool reversed, size_t channels, size_t width,
                               size_t padding) {
    const image::PixelFormat format{bits, big_endian, is_signed, reversed, channels, width, padding};
    format.check();
    return format;
}

py::bytes encode(const py::buffer &raw, unsigned bits, bool big_endian, bool is_signed, bool reversed, size_t channels,
                 size_t width, size_t padding, bool fast) {
    const auto format = make_format(bits, big_endian, is_signed, reversed, channels, width, padding);
    const ByteView in(raw);
    std::vector<uint8_t> payload;
    {
        const py::gil_scoped_release release;
        payload = image::encode_frame(in.data(), in.size(), format, fast ? image::Method::fast : image::Method::mixed);
    }
    return {reinterpret_cast<const char *>(payload.data()), payload.size()};
}

void decode(const py::buffer &payload, const py::buffer &out, unsigned bits, bool big_endian, bool is_signed, bool reversed,
            size_t channels, size_t width, size_t padding) {
    const auto format = make_format(bits, big_endian, is_signed, reversed, channels, width, padding);
    const ByteView in(payload);
    const WritableByteView raw(out);
    const py::gil_scoped_release release;
    image::decode_frame(in.data(), in.size(), format, raw.data(), raw.size());
}

// Rows of filtered bytes and of pixels must have the sizes that go with `kinds`, one byte a row.
void check_sizes(size_t rows, size_t stride, size_t step, size_t filtered, size_t pixels) {
    if (step == 0 || rows * stride != pixels || rows * (stride + 1) != filtered)
        throw std::invalid_argument("the buffers of PNG rows do not fit each other");
}

bool unfilter(const py::buffer &filtered, size_t stride, size_t step, const py::buffer &kinds, const py::buffer &pixels) {
    const ByteView in(filtered);
    const WritableByteView kind(kinds), out(pixels);
    check_sizes(kind.size(), stride, step, in.size(), out.size());
    const py::gil_scoped_release release;
    return image::unfilter_png(in.data(), kind.size(), stride, step, kind.data(), out.data());
}

void filter(const py::buffer &pixels, size_t stride, size_t step, const py::buffer &kinds, const py::buffer &filtered) {
    const ByteView in(pixels), kind(kinds);
    const WritableByteView out(filtered);
    check_sizes(kind.size(), stride, step, out.size(), in.size());
    const py::gil_scoped_release release;
    if (!image::filter_png(in.data(), kind.size(), stride, step, kind.data(), out.data()))
        throw CorruptData("image: no such PNG filter");
}

}  // namespace

void bind_image(py::module_ &m) {
    m.def("encode_image", &encode, py::arg("raw"), py::arg("bits"), py::arg("big_endian"), py::arg("is_signed"),
          py::arg("reversed"), py::arg("channels"), py::arg("width"), py::arg("padding"), py::arg("fast"),
          "Payload of a frame of rows of pixels (codecs/image/FORMAT.md); empty where there is no whole row or rows are narrow.");
    m.def("decode_image", &decode, py::arg("payload"), py::arg("out"), py::arg("bits"), py::arg("big_endian"),
          py::arg("is_signed"), py::arg("reversed"), py::arg("channels"), py::arg("width"), py::arg("padding"),
          "Fill `out` from such a payload; CorruptDataError if it is none.");
    m.def("unfilter_png", &unfilter, py::arg("filtered"), py::arg("stride"), py::arg("step"), py::arg("kinds"), py::arg("pixels"),
          "Undo PNG's filters; the kind of each row goes into `kinds`. False if one is none of PNG's.");
    m.def("filter_png", &filter, py::arg("pixels"), py::arg("stride"), py::arg("step"), py::arg("kinds"), py::arg("filtered"),
          "Filter rows of pixels with these kinds.");
}

}  // namespace laconic::bindings
