// Contiguous bytes of Python objects, and new `bytes` objects filled in place. Nothing is copied.
#pragma once

#include <pybind11/pybind11.h>

#include <cstdint>
#include <stdexcept>

namespace laconic::bindings {

class ByteView {
public:
    explicit ByteView(const pybind11::handle &object, int flags = PyBUF_SIMPLE) {
        if (PyObject_GetBuffer(object.ptr(), &view_, flags) != 0) throw pybind11::error_already_set();
    }
    ByteView(const ByteView &) = delete;
    ByteView &operator=(const ByteView &) = delete;
    ~ByteView() { PyBuffer_Release(&view_); }

    const uint8_t *data() const { return static_cast<const uint8_t *>(view_.buf); }
    size_t size() const { return static_cast<size_t>(view_.len); }

protected:
    Py_buffer view_{};
};

class WritableByteView : public ByteView {
public:
    explicit WritableByteView(const pybind11::handle &object) : ByteView(object, PyBUF_WRITABLE) {}
    uint8_t *data() const { return static_cast<uint8_t *>(view_.buf); }
};

// None, or bytes of a given size.
class OptionalByteView {
public:
    OptionalByteView(const pybind11::object &object, size_t size) {
        if (object.is_none()) return;
        if (PyObject_GetBuffer(object.ptr(), &view_, PyBUF_SIMPLE) != 0) throw pybind11::error_already_set();
        held_ = true;
        if (static_cast<size_t>(view_.len) != size) {
            PyBuffer_Release(&view_);
            throw std::invalid_argument("the base does not have the size of the data");
        }
    }
    OptionalByteView(const OptionalByteView &) = delete;
    OptionalByteView &operator=(const OptionalByteView &) = delete;
    ~OptionalByteView() {
        if (held_) PyBuffer_Release(&view_);
    }

    const uint8_t *data() const { return held_ ? static_cast<const uint8_t *>(view_.buf) : nullptr; }

private:
    Py_buffer view_{};
    bool held_ = false;
};

// A `bytes` object of at most `bound` bytes: fill(out) writes without the GIL and returns how many it used.
template <class Fill>
pybind11::bytes make_bytes(size_t bound, Fill &&fill) {
    PyObject *object = PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(bound));
    if (object == nullptr) throw pybind11::error_already_set();
    size_t used = 0;
    try {
        auto *out = reinterpret_cast<uint8_t *>(PyBytes_AS_STRING(object));
        const pybind11::gil_scoped_release release;
        used = fill(out);
    } catch (...) {
        Py_DECREF(object);
        throw;
    }
    if (_PyBytes_Resize(&object, static_cast<Py_ssize_t>(used)) != 0) throw pybind11::error_already_set();
    return pybind11::reinterpret_steal<pybind11::bytes>(object);
}

}  // namespace laconic::bindings
