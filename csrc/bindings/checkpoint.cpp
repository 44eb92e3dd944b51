// The kernels of the checkpoint codec, on anything with the buffer protocol. Every array of a call has the same number of
// elements.
#include <pybind11/numpy.h>

#include <vector>

#include "bindings/bindings.h"
#include "bindings/buffers.h"
#include "checkpoint/cast.h"
#include "checkpoint/fields.h"
#include "checkpoint/replay.h"
#include "float/delta.h"

namespace py = pybind11;

namespace laconic::bindings {

namespace {

template <class Order>
Order make_order(unsigned order) {
    if (order >= static_cast<unsigned>(Order::count)) throw std::invalid_argument("no such order of operations");
    return static_cast<Order>(order);
}

void expect(size_t size, size_t n, size_t width) {
    if (size != n * width) throw std::invalid_argument("arrays of different lengths");
}

py::bytes encode_fields(const py::buffer &actual, const py::buffer &contexts) {
    const ByteView a(actual), c(contexts);
    const size_t n = c.size();
    expect(a.size(), n, 4);
    return make_bytes(checkpoint::fields_bound(n),
                      [&](uint8_t *out) { return checkpoint::encode_fields(a.data(), c.data(), n, out); });
}

void decode_fields(const py::buffer &payload, const py::buffer &contexts, const py::buffer &out) {
    const ByteView data(payload), c(contexts);
    const WritableByteView o(out);
    const size_t n = c.size();
    expect(o.size(), n, 4);
    const py::gil_scoped_release release;
    checkpoint::decode_fields(data.data(), data.size(), c.data(), n, o.data());
}

// A new array of contexts, filled without the GIL.
template <class Fill>
py::array_t<uint8_t> make_contexts(size_t n, Fill &&fill) {
    py::array_t<uint8_t> contexts(static_cast<py::ssize_t>(n));
    uint8_t *const out = contexts.mutable_data();
    const py::gil_scoped_release release;
    fill(out);
    return contexts;
}

py::array_t<uint8_t> exponent_context(const py::buffer &x) {
    const ByteView a(x);
    const size_t n = a.size() / 4;
    expect(a.size(), n, 4);
    return make_contexts(n, [&](uint8_t *out) { floats::base_contexts(a.data(), n, {4, 1, false}, out); });
}

py::array_t<uint8_t> ratio_context(const py::buffer &m, const py::buffer &v) {
    const ByteView a(m), b(v);
    const size_t n = a.size() / 4;
    expect(a.size(), n, 4), expect(b.size(), n, 4);
    return make_contexts(n, [&](uint8_t *out) { checkpoint::ratio_context(a.data(), b.data(), n, out); });
}

// Elements of `out` and of all the others.
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

py::tuple fit_shares(const py::buffer &p0, const py::buffer &p1, const py::buffer &m0, const py::buffer &v0, const py::buffer &m1,
                     const py::buffer &v1) {
    const ByteView a(p0), b(p1), c(m0), d(v0), e(m1), f(v1);
    const size_t n = a.size() / 4;
    for (const ByteView *view : {&a, &b, &c, &d, &e, &f}) expect(view->size(), n, 4);
    checkpoint::StepShares shares;
    {
        const py::gil_scoped_release release;
        shares = checkpoint::fit_shares(a.data(), b.data(), c.data(), d.data(), e.data(), f.data(), n);
    }
    return py::make_tuple(shares.now, shares.before);
}

void replay_shares(const py::buffer &p0, const py::buffer &m0, const py::buffer &v0, const py::buffer &m1, const py::buffer &v1,
                   float now, float before, const py::buffer &out) {
    const ByteView a(p0), c(m0), d(v0), e(m1), f(v1);
    const WritableByteView o(out);
    const size_t n = fp32_length(o, a, c, d, e, f);
    const py::gil_scoped_release release;
    checkpoint::replay_shares(a.data(), c.data(), d.data(), e.data(), f.data(), n, {now, before}, o.data());
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
    if (format > 1) throw std::invalid_argument("a cast is to bf16 (0) or fp16 (1)");
    const ByteView a(x);
    const WritableByteView o(out);
    const size_t n = a.size() / 4;
    expect(a.size(), n, 4), expect(o.size(), n, 2);
    const py::gil_scoped_release release;
    checkpoint::cast_from_fp32(a.data(), n, static_cast<checkpoint::Half>(format), o.data());
}

}  // namespace

void bind_checkpoint(py::module_ &m) {
    m.def("encode_fields_by", &encode_fields, "fp32 elements, exponents in contexts (csrc/checkpoint/fields.h).");
    m.def("decode_fields_by", &decode_fields, "Fill `out` from such a payload; CorruptDataError if it is none.");
    m.def("exponent_context", &exponent_context, "The exponents of fp32 elements.");
    m.def("ratio_context", &ratio_context, "How large first moments are beside the roots of second ones.");
    m.def("replay_adam", &replay_adam, "An Adam step on fp32 parameters (csrc/checkpoint/replay.h).");
    m.def("replay_second_moment", &replay_second_moment, "The second moment after a step, from the first moments.");
    m.def("replay_sgd", &replay_sgd, "An SGD step with momentum on fp32 parameters.");
    m.def("fit_shares", &fit_shares, "(now, before): how far both states' directions lead from p0 to p1.");
    m.def("replay_shares", &replay_shares, "fp32 parameters moved by shares of both states' directions.");
    m.def("scale_fp32", &scale);
    m.def("maximum_fp32", &maximum);
    m.def("cast_from_fp32", &cast_from_fp32, "fp32 to bf16 or fp16, to nearest even.");
}

}  // namespace laconic::bindings
