// The kernels of the checkpoint codec, on anything with the buffer protocol. Every array of a call has the same number of
// elements.
#include <pybind11/numpy.h>

#include <vector>

#include "bindings/bindings.h"
#include "bindings/buffers.h"
#include "checkpoint/cast.h"
#include "checkpoint/context.h"
#include "checkpoint/fields.h"
#include "checkpoint/replay.h"
#include "checkpoint/residual.h"

namespace py = pybind11;

namespace laconic::bindings {

namespace {

using checkpoint::Format;

Format make_format(unsigned format) {
    if (format > 2) throw std::invalid_argument("no such float format");
    return static_cast<Format>(format);
}

template <class Order>
Order make_order(unsigned order) {
    if (order >= static_cast<unsigned>(Order::count)) throw std::invalid_argument("no such order of operations");
    return static_cast<Order>(order);
}

void expect(size_t size, size_t n, size_t width) {
    if (size != n * width) throw std::invalid_argument("arrays of different lengths");
}

// One context an element, or None.
class Contexts {
public:
    Contexts(const py::object &object, size_t n) : view_(object, 2 * n) {
        if (reinterpret_cast<uintptr_t>(view_.data()) % alignof(uint16_t) != 0)
            throw std::invalid_argument("contexts are not aligned");
    }
    const uint16_t *data() const { return reinterpret_cast<const uint16_t *>(view_.data()); }

private:
    OptionalByteView view_;
};

py::bytes to_bytes(const std::vector<uint8_t> &data) {
    return py::bytes(reinterpret_cast<const char *>(data.data()), data.size());
}

template <class Encode>
py::bytes without_gil(Encode &&encode) {
    std::vector<uint8_t> out;
    {
        const py::gil_scoped_release release;
        out = encode();
    }
    return to_bytes(out);
}

py::bytes encode_residual(const py::buffer &actual, const py::buffer &predicted, const py::object &contexts, unsigned format) {
    const Format f = make_format(format);
    const ByteView a(actual), b(predicted);
    const size_t n = a.size() / width_of(f);
    expect(a.size(), n, width_of(f)), expect(b.size(), n, width_of(f));
    const Contexts c(contexts, n);
    return without_gil([&] { return checkpoint::encode_residual(a.data(), b.data(), c.data(), n, f); });
}

void decode_residual(const py::buffer &payload, const py::buffer &predicted, const py::object &contexts, unsigned format,
                     const py::buffer &out) {
    const Format f = make_format(format);
    const ByteView data(payload), b(predicted);
    const WritableByteView o(out);
    const size_t n = o.size() / width_of(f);
    expect(o.size(), n, width_of(f)), expect(b.size(), n, width_of(f));
    const Contexts c(contexts, n);
    const py::gil_scoped_release release;
    checkpoint::decode_residual(data.data(), data.size(), b.data(), c.data(), n, f, o.data());
}

py::bytes encode_fields(const py::buffer &actual, const py::object &contexts, unsigned format) {
    const Format f = make_format(format);
    const ByteView a(actual);
    const size_t n = a.size() / width_of(f);
    expect(a.size(), n, width_of(f));
    const Contexts c(contexts, n);
    return without_gil([&] { return checkpoint::encode_fields(a.data(), c.data(), n, f); });
}

void decode_fields(const py::buffer &payload, const py::object &contexts, unsigned format, const py::buffer &out) {
    const Format f = make_format(format);
    const ByteView data(payload);
    const WritableByteView o(out);
    const size_t n = o.size() / width_of(f);
    expect(o.size(), n, width_of(f));
    const Contexts c(contexts, n);
    const py::gil_scoped_release release;
    checkpoint::decode_fields(data.data(), data.size(), c.data(), n, f, o.data());
}

// A new array of contexts, filled without the GIL.
template <class Fill>
py::array_t<uint16_t> make_contexts(size_t n, Fill &&fill) {
    py::array_t<uint16_t> contexts(static_cast<py::ssize_t>(n));
    uint16_t *const out = contexts.mutable_data();
    const py::gil_scoped_release release;
    fill(out);
    return contexts;
}

py::array_t<uint16_t> exponent_context(const py::buffer &x, unsigned format) {
    const Format f = make_format(format);
    const ByteView a(x);
    const size_t n = a.size() / width_of(f);
    return make_contexts(n, [&](uint16_t *out) { checkpoint::exponent_context(a.data(), n, f, out); });
}

py::array_t<uint16_t> ratio_context(const py::buffer &m, const py::buffer &v) {
    const ByteView a(m), b(v);
    const size_t n = a.size() / 4;
    expect(b.size(), n, 4);
    return make_contexts(n, [&](uint16_t *out) { checkpoint::ratio_context(a.data(), b.data(), n, out); });
}

py::array_t<uint16_t> step_context(const py::buffer &p, const py::buffer &m, const py::buffer &v) {
    const ByteView a(p), b(m), c(v);
    const size_t n = a.size() / 4;
    expect(b.size(), n, 4), expect(c.size(), n, 4);
    return make_contexts(n, [&](uint16_t *out) { checkpoint::step_context(a.data(), b.data(), c.data(), n, out); });
}

// fill(out) for n elements of `width` bytes in `out`, without the GIL.
template <class... Views>
size_t fp32_length(const WritableByteView &out, const Views &...views) {
    const size_t n = out.size() / 4;
    expect(out.size(), n, 4);
    (expect(views.size(), n, 4), ...);
    return n;
}

checkpoint::AdamScalars adam_scalars(const std::vector<float> &s) {
    if (s.size() != 7) throw std::invalid_argument("an Adam step has 7 scalars");
    return {s[0], s[1], s[2], s[3], s[4], s[5], s[6]};
}

std::vector<float> floats(const py::sequence &s) {
    std::vector<float> out;
    for (const py::handle x : s) out.push_back(x.cast<float>());
    return out;
}

void replay_adam(const py::buffer &p0, const py::buffer &m1, const py::buffer &v1, const py::sequence &scalars, unsigned order,
                 const py::buffer &out) {
    const ByteView p(p0), m(m1), v(v1);
    const WritableByteView o(out);
    const size_t n = fp32_length(o, p, m, v);
    const auto s = adam_scalars(floats(scalars));
    const auto chosen = make_order<checkpoint::AdamOrder>(order);
    const py::gil_scoped_release release;
    checkpoint::replay_adam(p.data(), m.data(), v.data(), n, s, chosen, o.data());
}

void replay_second_moment(const py::buffer &m0, const py::buffer &m1, const py::buffer &v0, const py::sequence &scalars,
                          unsigned order, const py::buffer &out) {
    const ByteView a(m0), b(m1), v(v0);
    const WritableByteView o(out);
    const size_t n = fp32_length(o, a, b, v);
    const auto s = adam_scalars(floats(scalars));
    const auto chosen = make_order<checkpoint::MomentOrder>(order);
    const py::gil_scoped_release release;
    checkpoint::replay_second_moment(a.data(), b.data(), v.data(), n, s, chosen, o.data());
}

void replay_sgd(const py::buffer &p0, const py::buffer &buffer0, const py::buffer &buffer1, const py::sequence &scalars,
                unsigned order, const py::buffer &out) {
    const ByteView p(p0), a(buffer0), b(buffer1);
    const WritableByteView o(out);
    const size_t n = fp32_length(o, p, a, b);
    const auto s = floats(scalars);
    if (s.size() != 3) throw std::invalid_argument("an SGD step has 3 scalars");
    const auto chosen = make_order<checkpoint::SgdOrder>(order);
    const py::gil_scoped_release release;
    checkpoint::replay_sgd(p.data(), a.data(), b.data(), n, {s[0], s[1], s[2]}, chosen, o.data());
}

void scale(const py::buffer &x, float factor, const py::buffer &out) {
    const ByteView a(x);
    const WritableByteView o(out);
    const size_t n = fp32_length(o, a);
    const py::gil_scoped_release release;
    checkpoint::scale(a.data(), n, factor, o.data());
}

void maximum(const py::buffer &x, const py::buffer &y, const py::buffer &out) {
    const ByteView a(x), b(y);
    const WritableByteView o(out);
    const size_t n = fp32_length(o, a, b);
    const py::gil_scoped_release release;
    checkpoint::maximum(a.data(), b.data(), n, o.data());
}

void cast_from_fp32(const py::buffer &x, unsigned format, const py::buffer &out) {
    const Format f = make_format(format);
    const ByteView a(x);
    const WritableByteView o(out);
    const size_t n = a.size() / 4;
    expect(a.size(), n, 4), expect(o.size(), n, 2);
    const py::gil_scoped_release release;
    checkpoint::cast_from_fp32(a.data(), n, f, o.data());
}

}  // namespace

void bind_checkpoint(py::module_ &m) {
    m.def("encode_residual", &encode_residual, "Floats as differences to a prediction (csrc/checkpoint/residual.h).");
    m.def("decode_residual", &decode_residual, "Fill `out` from such a payload; CorruptDataError if it is none.");
    m.def("encode_split_floats", &encode_fields, "Floats on their own, exponents in contexts (csrc/checkpoint/fields.h).");
    m.def("decode_split_floats", &decode_fields, "Fill `out` from such a payload; CorruptDataError if it is none.");
    m.def("exponent_context", &exponent_context);
    m.def("ratio_context", &ratio_context);
    m.def("step_context", &step_context);
    m.def("replay_adam", &replay_adam, "An Adam step on fp32 parameters (csrc/checkpoint/replay.h).");
    m.def("replay_second_moment", &replay_second_moment, "The second moment after a step, from the first moments.");
    m.def("replay_sgd", &replay_sgd, "An SGD step with momentum on fp32 parameters.");
    m.def("scale_fp32", &scale);
    m.def("maximum_fp32", &maximum);
    m.def("cast_from_fp32", &cast_from_fp32, "fp32 to bf16 or fp16, to nearest even.");
}

}  // namespace laconic::bindings
