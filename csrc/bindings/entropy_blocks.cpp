// Blocks of byte symbols: entropy/block.h on numpy arrays.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "bindings/bindings.h"
#include "cuda/host_steps.h"
#include "entropy/block.h"

namespace py = pybind11;

namespace laconic::bindings {
namespace {

using ByteArray = py::array_t<uint8_t, py::array::c_style>;

entropy::Profile parse_profile(const std::string &name) {
    if (name == "auto") return entropy::Profile::automatic;
    if (name == "raw") return entropy::Profile::raw;
    if (name == "run") return entropy::Profile::run;
    if (name == "A") return entropy::Profile::a;
    if (name == "B") return entropy::Profile::b;
    throw std::invalid_argument("unknown profile '" + name + "' (auto, raw, run, A or B)");
}

py::bytes encode_block(const ByteArray &symbols, const std::string &profile, int precision, bool prefer_speed, bool segments) {
    const entropy::BlockOptions options{parse_profile(profile), precision, prefer_speed, segments};
    const size_t n = static_cast<size_t>(symbols.size());
    const std::unique_ptr<uint8_t[]> out(new uint8_t[entropy::block_bound(n)]);
    size_t size;
    {
        py::gil_scoped_release release;
        size = entropy::encode_block(symbols.data(), n, out.get(), options);
    }
    return py::bytes(reinterpret_cast<const char *>(out.get()), size);
}

void decode_block(const py::buffer &data, ByteArray &out) {
    const py::buffer_info info = data.request();
    const uint8_t *bytes = static_cast<const uint8_t *>(info.ptr);
    const size_t size = static_cast<size_t>(info.size * info.itemsize);
    uint8_t *symbols = out.mutable_data();
    const size_t n = static_cast<size_t>(out.size());
    py::gil_scoped_release release;
    entropy::decode_block(bytes, size, symbols, n);
}

// blocks: one after the other in `data`, sizes[k] bytes and counts[k] symbols each; counts sum to out.size().
void decode_blocks(const py::buffer &data, const std::vector<size_t> &sizes, const std::vector<size_t> &counts, ByteArray &out) {
    const py::buffer_info info = data.request();
    if (sizes.size() != counts.size()) throw std::invalid_argument("as many sizes as counts");
    std::vector<entropy::BlockToDecode> blocks(sizes.size());
    const uint8_t *bytes = static_cast<const uint8_t *>(info.ptr);
    uint8_t *symbols = out.mutable_data();
    size_t bytes_left = static_cast<size_t>(info.size * info.itemsize), symbols_left = static_cast<size_t>(out.size());
    for (size_t k = 0; k < sizes.size(); ++k) {
        if (sizes[k] > bytes_left || counts[k] > symbols_left) throw std::invalid_argument("blocks pass the data or the array");
        blocks[k] = {bytes, sizes[k], symbols, counts[k]};
        bytes += sizes[k];
        bytes_left -= sizes[k];
        symbols += counts[k];
        symbols_left -= counts[k];
    }
    if (bytes_left != 0 || symbols_left != 0) throw std::invalid_argument("blocks do not fill the data and the array");
    py::gil_scoped_release release;
    entropy::decode_blocks(blocks);
}

std::string block_form(const py::buffer &data) {
    const py::buffer_info info = data.request();
    return entropy::block_form(static_cast<const uint8_t *>(info.ptr), static_cast<size_t>(info.size * info.itemsize));
}

}  // namespace

void bind_entropy_blocks(py::module_ &m) {
    m.def("encode_block", &encode_block, py::arg("symbols").noconvert(), py::arg("profile"), py::arg("precision"),
          py::arg("prefer_speed"), py::arg("segments") = false);
    m.def("decode_block", &decode_block, py::arg("data"), py::arg("out").noconvert());
    m.def("decode_blocks", &decode_blocks, py::arg("data"), py::arg("sizes"), py::arg("counts"), py::arg("out").noconvert());
    m.def(
        "decode_block_stepped",
        [](const py::buffer &data, ByteArray &out) {
            const py::buffer_info info = data.request();
            return cuda::decode_block_stepped(static_cast<const uint8_t *>(info.ptr),
                                              static_cast<size_t>(info.size * info.itemsize), out.mutable_data(),
                                              static_cast<size_t>(out.size()));
        },
        py::arg("data"), py::arg("out").noconvert(),
        "The CUDA decoder stepped on the host, for tests; False: a form it does not decode.");
    m.def(
        "decode_pairs_stepped",
        [](const py::buffer &data, const ByteArray &low, unsigned rotation, py::array_t<uint16_t, py::array::c_style> &out) {
            const py::buffer_info info = data.request();
            if (low.size() != out.size() || rotation > 15)
                throw std::invalid_argument("as many low bytes as elements, and a rotation by 0 to 15 bits");
            return cuda::decode_pairs_stepped(static_cast<const uint8_t *>(info.ptr),
                                              static_cast<size_t>(info.size * info.itemsize), low.data(), rotation,
                                              out.mutable_data(), static_cast<size_t>(out.size()));
        },
        py::arg("data"), py::arg("low").noconvert(), py::arg("rotation"), py::arg("out").noconvert(),
        "The same for elements of 16 bits.");
    m.def(
        "encode_block_stepped",
        [](const ByteArray &symbols, unsigned precision) {
            const auto block = cuda::encode_block_stepped(symbols.data(), static_cast<size_t>(symbols.size()), precision);
            return py::bytes(reinterpret_cast<const char *>(block.data()), block.size());
        },
        py::arg("symbols").noconvert(), py::arg("precision"), "The CUDA encoder of profile B stepped on the host, for tests.");
    m.def("block_form", &block_form, py::arg("data"));
}

}  // namespace laconic::bindings
