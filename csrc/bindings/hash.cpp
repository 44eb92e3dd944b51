// XXH3 of bytes that come in frames.
#include "bindings/hash.h"

#include <pybind11/stl.h>

#include "bindings/bindings.h"
#include "bindings/buffers.h"

namespace py = pybind11;

namespace laconic::bindings {

namespace {

using hash::Xxh3;

py::bytes digest(const Xxh3 &state) {
    if (state.total() <= hash::kShort) throw std::invalid_argument("a short input");
    const auto found = state.digest128();
    return {reinterpret_cast<const char *>(found.data()), found.size()};
}

py::bytes short_input(const Xxh3 &state) {
    const auto bytes = state.short_input();
    return {reinterpret_cast<const char *>(bytes.data()), bytes.size()};
}

uint64_t hash_frame(const py::buffer &raw, const std::vector<Xxh3 *> &others) {
    const ByteView in(raw);
    if (in.size() <= hash::kShort) throw std::invalid_argument("a short input");
    FrameHashes hashes(others);
    const py::gil_scoped_release release;
    Xxh3::update_in_steps(hashes.all(), in.data(), in.size());
    return hashes.check();
}

}  // namespace

void bind_hash(py::module_ &m) {
    py::class_<Xxh3>(m, "Xxh3", "XXH3 of bytes that come in pieces, in 128 bits.")
        .def(py::init())
        .def(
            "update",
            [](Xxh3 &self, const py::buffer &data) {
                const ByteView in(data);
                const py::gil_scoped_release release;
                self.update(in.data(), in.size());
            },
            py::arg("data"))
        .def("digest", &digest, "16 bytes; ValueError where there were no more than 240 bytes.")
        .def("short_input", &short_input, "All bytes so far, if there were no more than 240.")
        .def_property_readonly("total", &Xxh3::total);
    m.def("hash_frame", &hash_frame, py::arg("raw"), py::arg("others"),
          "xxh3_64 of `raw`, more than 240 bytes, which the other hashes (up to three) take too.");
}

}  // namespace laconic::bindings
