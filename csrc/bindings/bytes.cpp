// A `bytes` object that grows: what an archive in memory is written to. Each part is copied while it is in a cache, and only
// once.
#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "bindings/bindings.h"
#include "bindings/buffers.h"
#include "memory/huge_pages.h"
#include "memory/past_caches.h"

namespace py = pybind11;

namespace laconic::bindings {

namespace {

class BytesWriter {
public:
    explicit BytesWriter(size_t room) : bytes_(room_of(std::clamp(room, kLeastRoom, kMostRoom))) {}
    BytesWriter(const BytesWriter &) = delete;
    BytesWriter &operator=(const BytesWriter &) = delete;
    ~BytesWriter() { Py_XDECREF(bytes_); }

    void write(const py::buffer &part) {
        const ByteView in(part);
        reserve(in.size());
        if (in.size() >= kPastCaches) {
            copy_past_caches(in.data(), data() + size_, in.size());
            finish_copies();
        } else if (in.size() != 0) {
            std::memcpy(data() + size_, in.data(), in.size());
        }
        size_ += in.size();
    }

    py::bytes read_at(size_t offset, size_t size) {
        check();
        offset = std::min(offset, size_);
        return {reinterpret_cast<const char *>(data()) + offset, std::min(size, size_ - offset)};
    }

    // All that was written; nothing can be done with the writer after it.
    py::bytes take() {
        check();
        resize(size_);
        return py::reinterpret_steal<py::bytes>(std::exchange(bytes_, nullptr));
    }

    size_t size() const { return size_; }

private:
    static constexpr size_t kLeastRoom = size_t{1} << 12;
    static constexpr size_t kMostRoom = size_t{1} << 28;    // that is asked for at once, before anything was written
    static constexpr size_t kPastCaches = size_t{1} << 16;  // a part from this size on is one of many

    static PyObject *room_of(size_t room) {
        PyObject *const bytes = PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(room));
        if (bytes == nullptr) throw py::error_already_set();
        ask_for_huge_pages(PyBytes_AS_STRING(bytes), room);
        return bytes;
    }

    void check() const {
        if (bytes_ == nullptr) throw std::invalid_argument("the bytes were taken");
    }
    uint8_t *data() const { return reinterpret_cast<uint8_t *>(PyBytes_AS_STRING(bytes_)); }
    size_t room() const { return static_cast<size_t>(PyBytes_GET_SIZE(bytes_)); }

    void reserve(size_t more) {
        check();
        if (more > room() - size_) resize(size_ + std::max(more, size_ / 2));
    }
    void resize(size_t room) {
        if (_PyBytes_Resize(&bytes_, static_cast<Py_ssize_t>(room)) != 0) throw py::error_already_set();
    }

    PyObject *bytes_;
    size_t size_ = 0;
};

// Bytes that nobody has cleared: for what is filled at once.
struct Memory {
    explicit Memory(size_t n) : size(n), bytes(new uint8_t[n]) { ask_for_huge_pages(bytes.get(), n); }
    size_t size;
    std::unique_ptr<uint8_t[]> bytes;
};

// A `bytes` object that is filled before anyone sees it.
class NewBytes {
public:
    explicit NewBytes(size_t size) : bytes_(nullptr, size) { ask_for_huge_pages(PyBytes_AS_STRING(bytes_.ptr()), size); }

    py::buffer_info buffer() {
        if (!bytes_) throw std::invalid_argument("the bytes were taken");
        const auto size = PyBytes_GET_SIZE(bytes_.ptr());
        return {PyBytes_AS_STRING(bytes_.ptr()), 1, py::format_descriptor<uint8_t>::format(), 1, {size}, {1}};
    }
    py::bytes take() {
        if (!bytes_) throw std::invalid_argument("the bytes were taken");
        return std::exchange(bytes_, py::reinterpret_steal<py::bytes>(py::handle()));
    }

private:
    py::bytes bytes_;
};

}  // namespace

void bind_bytes(py::module_ &m) {
    py::class_<BytesWriter>(m, "BytesWriter", "A `bytes` object that grows.")
        .def(py::init<size_t>(), py::arg("room"), "`room`: bytes that will probably be written.")
        .def("write", &BytesWriter::write, py::arg("part"))
        .def("read_at", &BytesWriter::read_at, py::arg("offset"), py::arg("size"))
        .def("take", &BytesWriter::take, "All bytes; the writer can't be used after it.")
        .def_property_readonly("size", &BytesWriter::size);
    py::class_<Memory>(m, "Memory", py::buffer_protocol(), "Writable bytes that are not cleared.")
        .def(py::init<size_t>(), py::arg("size"))
        .def_buffer([](Memory &memory) {
            return py::buffer_info(memory.bytes.get(), 1, py::format_descriptor<uint8_t>::format(), 1, {memory.size}, {1});
        });
    py::class_<NewBytes>(m, "NewBytes", py::buffer_protocol(), "A `bytes` object to be filled, not cleared.")
        .def(py::init<size_t>(), py::arg("size"))
        .def_buffer(&NewBytes::buffer)
        .def("take", &NewBytes::take, "The bytes. Nothing may write to them after it, nor use this object.");
}

}  // namespace laconic::bindings
