// The extension module `laconic._cuda`: blocks decoded and encoded on the device. Arrays of the device come as anything with
// __cuda_array_interface__ or __dlpack__, and go as DeviceArray, which has the former. No call waits for the device, except
// to_host().
#include <cuda_runtime.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <array>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "cuda/kernels.h"
#include "entropy/rans_b.h"
#include "entropy/tables.h"

namespace py = pybind11;

namespace laconic::cuda {
namespace {

void check(int error) {
    if (error != cudaSuccess)
        throw std::runtime_error(std::string("CUDA: ") + cudaGetErrorString(static_cast<cudaError_t>(error)));
}

cudaStream_t stream_of(size_t handle) { return reinterpret_cast<cudaStream_t>(handle); }

// Memory of the device, freed in the order of the stream it was made on.
class DeviceArray {
public:
    DeviceArray(size_t count, char kind, size_t item, cudaStream_t stream)
        : count_(count), kind_(kind), item_(item), stream_(stream) {
        check(cudaMallocAsync(&data_, count == 0 ? 1 : count * item, stream));
    }
    DeviceArray(const DeviceArray &) = delete;
    DeviceArray &operator=(const DeviceArray &) = delete;
    ~DeviceArray() { cudaFreeAsync(data_, stream_); }

    template <typename T>
    T *as() const {
        return static_cast<T *>(data_);
    }
    size_t bytes() const { return count_ * item_; }
    void copy_from_host(const void *from) { check(cudaMemcpyAsync(data_, from, bytes(), cudaMemcpyHostToDevice, stream_)); }

    py::dict interface() const {
        py::dict d;
        d["shape"] = py::make_tuple(count_);
        d["typestr"] = std::string(item_ == 1 ? "|" : "<") + kind_ + std::to_string(item_);
        d["data"] = py::make_tuple(reinterpret_cast<size_t>(data_), false);
        d["version"] = 3;
        d["stream"] = stream_ == nullptr ? 1 : reinterpret_cast<size_t>(stream_);
        return d;
    }
    py::bytes to_host() const {
        std::string host(bytes(), '\0');
        check(cudaMemcpyAsync(host.data(), data_, bytes(), cudaMemcpyDeviceToHost, stream_));
        check(cudaStreamSynchronize(stream_));
        return py::bytes(host);
    }

private:
    void *data_ = nullptr;
    size_t count_;
    char kind_;
    size_t item_;
    cudaStream_t stream_;
};

// The C structures of DLPack (https://dmlc.github.io/dlpack, version 0), as far as they are read here.
struct DLTensor {
    void *data;
    int32_t device_type, device_id;
    int32_t ndim;
    uint8_t code, bits;
    uint16_t lanes;
    int64_t *shape, *strides;
    uint64_t byte_offset;
};
constexpr int32_t kDLCUDA = 2, kDLCUDAManaged = 13;

// Contiguous bytes of the device, borrowed from their owner.
struct DeviceBytes {
    const uint8_t *data;
    size_t size;
    py::object owner;

    explicit DeviceBytes(const py::object &array) : owner(array) {
        if (py::hasattr(array, "__cuda_array_interface__"))
            from_interface(array.attr("__cuda_array_interface__"));
        else if (py::hasattr(array, "__dlpack__"))
            from_dlpack(array.attr("__dlpack__")());
        else
            throw py::type_error("an array of the device needs __cuda_array_interface__ or __dlpack__");
    }

private:
    void from_interface(const py::dict &d) {
        if (d.contains("strides") && !d["strides"].is_none())
            throw std::invalid_argument("an array of the device must be contiguous");
        const auto type = d["typestr"].cast<std::string>();
        size = std::stoul(type.substr(2));
        for (const py::handle extent : d["shape"].cast<py::tuple>()) size *= extent.cast<size_t>();
        data = reinterpret_cast<const uint8_t *>(d["data"].cast<py::tuple>()[0].cast<size_t>());
    }
    void from_dlpack(py::object capsule) {
        const auto *tensor = static_cast<const DLTensor *>(PyCapsule_GetPointer(capsule.ptr(), "dltensor"));
        if (tensor == nullptr) throw py::error_already_set();
        if (tensor->device_type != kDLCUDA && tensor->device_type != kDLCUDAManaged)
            throw std::invalid_argument("the array is not on a CUDA device");
        size = tensor->bits / 8;
        for (int32_t k = tensor->ndim; k-- > 0;) {
            if (tensor->strides != nullptr && tensor->shape[k] > 1 &&
                static_cast<size_t>(tensor->strides[k]) * (tensor->bits / 8) != size)
                throw std::invalid_argument("an array of the device must be contiguous");
            size *= static_cast<size_t>(tensor->shape[k]);
        }
        data = static_cast<const uint8_t *>(tensor->data) + tensor->byte_offset;
        owner = std::move(capsule);  // not consumed: it frees the tensor when it goes
    }
};

std::unique_ptr<DeviceArray> offsets_on_device(const std::vector<int64_t> &sizes, size_t total, const char *what,
                                               cudaStream_t stream) {
    std::vector<int64_t> offsets(sizes.size() + 1);
    for (size_t k = 0; k < sizes.size(); ++k) {
        if (sizes[k] < 0 || static_cast<size_t>(sizes[k]) > total - static_cast<size_t>(offsets[k]))
            throw std::invalid_argument(what);
        offsets[k + 1] = offsets[k] + sizes[k];
    }
    auto array = std::make_unique<DeviceArray>(offsets.size(), 'i', 8, stream);
    array->copy_from_host(offsets.data());  // from pageable memory: copied before the call returns
    return array;
}

// Blocks that a call names, with their offsets on the device.
struct BlocksOnDevice {
    DeviceBytes bytes;
    size_t n = 0;  // symbols of all
    std::unique_ptr<DeviceArray> offsets, symbol_offsets, status;
    Blocks blocks;

    BlocksOnDevice(const py::object &data, const std::vector<int64_t> &sizes, const std::vector<int64_t> &counts,
                   cudaStream_t stream)
        : bytes(data) {
        if (sizes.size() != counts.size()) throw std::invalid_argument("as many sizes as counts");
        for (const int64_t count : counts) {
            if (count < 0 || count > int64_t{1} << 24) throw std::invalid_argument("a block holds 0 to 2^24 symbols");
            n += static_cast<size_t>(count);
        }
        offsets = offsets_on_device(sizes, bytes.size, "blocks pass the data", stream);
        symbol_offsets = offsets_on_device(counts, n, "blocks pass the symbols", stream);
        status = std::make_unique<DeviceArray>(sizes.size(), 'i', 4, stream);
        blocks = {bytes.data, offsets->as<int64_t>(), symbol_offsets->as<int64_t>(), static_cast<uint32_t>(sizes.size())};
    }
};

py::tuple decode(const py::object &data, const std::vector<int64_t> &sizes, const std::vector<int64_t> &counts,
                 size_t stream_handle) {
    const cudaStream_t stream = stream_of(stream_handle);
    BlocksOnDevice in(data, sizes, counts, stream);
    auto symbols = std::make_unique<DeviceArray>(in.n, 'u', 1, stream);
    check(decode_blocks(in.blocks, symbols->as<uint8_t>(), in.status->as<int32_t>(), stream));
    return py::make_tuple(std::move(symbols), std::move(in.status));
}

py::tuple decode_to_pairs(const py::object &data, const std::vector<int64_t> &sizes, const std::vector<int64_t> &counts,
                          const py::object &low, unsigned rotation, size_t stream_handle) {
    const cudaStream_t stream = stream_of(stream_handle);
    BlocksOnDevice in(data, sizes, counts, stream);
    const DeviceBytes low_bytes(low);
    if (low_bytes.size != in.n) throw std::invalid_argument("as many low bytes as symbols");
    if (rotation > 15) throw std::invalid_argument("a rotation by 0 to 15 bits");
    auto elements = std::make_unique<DeviceArray>(in.n, 'i', 2, stream);
    check(decode_pairs(in.blocks, low_bytes.data, rotation, elements->as<uint16_t>(), in.status->as<int32_t>(), stream));
    return py::make_tuple(std::move(elements), std::move(in.status));
}

py::tuple encode(const py::object &data, size_t block_symbols, const py::array_t<uint16_t, py::array::c_style> &freqs,
                 unsigned precision, size_t stream_handle) {
    const DeviceBytes bytes(data);
    if (block_symbols < 1 || block_symbols > size_t{1} << 24) throw std::invalid_argument("a block holds 1 to 2^24 symbols");
    if (freqs.size() != 256 || precision < 10 || precision > 12) throw std::invalid_argument("256 frequencies of 10 to 12 bits");
    const std::span<const uint16_t> of_symbol(freqs.data(), 256);
    uint32_t sum = 0;
    for (const uint16_t freq : of_symbol) sum += freq;
    if (sum != 1u << precision) throw std::invalid_argument("frequencies must sum to 2^precision");
    std::array<entropy::rans_b::EncodeSymbol, 256> codes;
    entropy::rans_b::build_encode_table(of_symbol, codes.data());
    std::array<uint8_t, 2048> table_bytes;
    entropy::BitWriter bits(table_bytes.data(), table_bytes.size());
    entropy::write_table(bits, of_symbol, precision);
    const uint32_t bit_count = static_cast<uint32_t>(bits.bit_count());
    const size_t table_size = bits.finish();

    const cudaStream_t stream = stream_of(stream_handle);
    const size_t count = bytes.size == 0 ? 0 : (bytes.size - 1) / block_symbols + 1, stride = block_symbols + 1024;
    DeviceArray table(sizeof(codes), 'u', 1, stream), table_bits(table_size, 'u', 1, stream);
    table.copy_from_host(codes.data());
    table_bits.copy_from_host(table_bytes.data());
    auto out = std::make_unique<DeviceArray>(count * stride, 'u', 1, stream);
    auto sizes = std::make_unique<DeviceArray>(count, 'i', 8, stream);
    check(encode_blocks_b(bytes.data, bytes.size, static_cast<uint32_t>(block_symbols), table.as<void>(),
                          table_bits.as<uint8_t>(), bit_count, precision, out->as<uint8_t>(), static_cast<uint32_t>(stride),
                          sizes->as<int64_t>(), stream));
    return py::make_tuple(std::move(out), stride, std::move(sizes));
}

}  // namespace

PYBIND11_MODULE(_cuda, m) {
    m.doc() = "Entropy blocks on CUDA devices; laconic.entropy.cuda is its Python face.";
    m.def("device_count", [] {
        int count = 0;
        return cudaGetDeviceCount(&count) == cudaSuccess ? count : 0;
    });
    py::class_<DeviceArray>(m, "DeviceArray")
        .def_property_readonly("__cuda_array_interface__", &DeviceArray::interface)
        .def_property_readonly("nbytes", &DeviceArray::bytes)
        .def("to_host", &DeviceArray::to_host);
    m.def("upload", [](const py::buffer &data, size_t stream) {
        const py::buffer_info info = data.request();
        auto array = std::make_unique<DeviceArray>(static_cast<size_t>(info.size * info.itemsize), 'u', 1, stream_of(stream));
        array->copy_from_host(info.ptr);
        return array;
    });
    m.def("decode_blocks", &decode, py::arg("data"), py::arg("sizes"), py::arg("counts"), py::arg("stream"));
    m.def("decode_pairs", &decode_to_pairs, py::arg("data"), py::arg("sizes"), py::arg("counts"), py::arg("low"),
          py::arg("rotation"), py::arg("stream"));
    m.def("encode_blocks", &encode, py::arg("data"), py::arg("block"), py::arg("freqs"), py::arg("precision"), py::arg("stream"));
}

}  // namespace laconic::cuda
