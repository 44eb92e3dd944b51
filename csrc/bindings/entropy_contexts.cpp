// Symbols coded with tables chosen by context: entropy/contexts.h on numpy arrays.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <optional>
#include <stdexcept>
#include <vector>

#include "bindings/bindings.h"
#include "entropy/contexts.h"

namespace py = pybind11;

namespace laconic::bindings {
namespace {

template <typename T>
using Array = py::array_t<T, py::array::c_style>;

template <typename Symbol>
size_t checked_size(const Array<Symbol> &symbols, const Array<uint16_t> &contexts) {
    if (symbols.size() != contexts.size()) throw std::invalid_argument("as many contexts as symbols");
    return static_cast<size_t>(symbols.size());
}

py::bytes to_bytes(const std::vector<uint8_t> &data) {
    return py::bytes(reinterpret_cast<const char *>(data.data()), data.size());
}

struct Input {
    py::buffer_info info;
    const uint8_t *data;
    size_t size;

    explicit Input(const py::buffer &buffer)
        : info(buffer.request()),
          data(static_cast<const uint8_t *>(info.ptr)),
          size(static_cast<size_t>(info.size * info.itemsize)) {}
};

template <typename Symbol>
void bind_width(py::module_ &m, const char *class_name) {
    using Tables = entropy::ContextTables<Symbol>;
    py::class_<Tables>(m, class_name)
        .def(py::init([](const Array<uint16_t> &freqs, unsigned precision, std::optional<Symbol> escape) {
                 if (freqs.ndim() != 2) throw std::invalid_argument("freqs must have the shape (tables, alphabet)");
                 return Tables({freqs.data(), freqs.data() + freqs.size()}, static_cast<size_t>(freqs.shape(1)), precision,
                               escape);
             }),
             py::arg("freqs").noconvert(), py::arg("precision"), py::arg("escape"))
        .def(
            "encode",
            [](const Tables &tables, const Array<Symbol> &symbols, const Array<uint16_t> &contexts) {
                const size_t n = checked_size(symbols, contexts);
                std::vector<uint8_t> out;
                {
                    py::gil_scoped_release release;
                    tables.encode(symbols.data(), contexts.data(), n, out);
                }
                return to_bytes(out);
            },
            py::arg("symbols").noconvert(), py::arg("contexts").noconvert())
        .def(
            "decode",
            [](const Tables &tables, const py::buffer &data, const Array<uint16_t> &contexts, Array<Symbol> &out) {
                const size_t n = checked_size(out, contexts);
                const Input input(data);
                Symbol *symbols = out.mutable_data();
                py::gil_scoped_release release;
                tables.decode(input.data, input.size, contexts.data(), symbols, n);
            },
            py::arg("data"), py::arg("contexts").noconvert(), py::arg("out").noconvert());
    m.def(
        "encode_fitted",
        [](const Array<Symbol> &symbols, const Array<uint16_t> &contexts, unsigned precision) {
            const size_t n = checked_size(symbols, contexts);
            std::vector<uint8_t> out;
            {
                py::gil_scoped_release release;
                out = entropy::encode_fitted(symbols.data(), contexts.data(), n, precision);
            }
            return to_bytes(out);
        },
        py::arg("symbols").noconvert(), py::arg("contexts").noconvert(), py::arg("precision"));
    m.def(
        "decode_fitted",
        [](const py::buffer &data, const Array<uint16_t> &contexts, Array<Symbol> &out) {
            const size_t n = checked_size(out, contexts);
            const Input input(data);
            Symbol *symbols = out.mutable_data();
            py::gil_scoped_release release;
            entropy::decode_fitted(input.data, input.size, contexts.data(), symbols, n);
        },
        py::arg("data"), py::arg("contexts").noconvert(), py::arg("out").noconvert());
}

}  // namespace

void bind_entropy_contexts(py::module_ &m) {
    bind_width<uint8_t>(m, "ContextTables8");
    bind_width<uint16_t>(m, "ContextTables16");
    m.def(
        "encode_order1",
        [](const Array<uint8_t> &symbols, unsigned precision) {
            const size_t n = static_cast<size_t>(symbols.size());
            std::vector<uint8_t> out;
            {
                py::gil_scoped_release release;
                out = entropy::encode_order1(symbols.data(), n, precision);
            }
            return to_bytes(out);
        },
        py::arg("symbols").noconvert(), py::arg("precision"));
    m.def(
        "decode_order1",
        [](const py::buffer &data, Array<uint8_t> &out) {
            const Input input(data);
            uint8_t *symbols = out.mutable_data();
            const size_t n = static_cast<size_t>(out.size());
            py::gil_scoped_release release;
            entropy::decode_order1(input.data, input.size, symbols, n);
        },
        py::arg("data"), py::arg("out").noconvert());
    m.def(
        "normalise_counts",
        [](const Array<uint32_t> &counts, unsigned precision) {
            if (counts.ndim() != 2) throw std::invalid_argument("counts must have the shape (tables, alphabet)");
            Array<uint16_t> freqs({counts.shape(0), counts.shape(1)});
            entropy::normalise_rows({counts.data(), static_cast<size_t>(counts.size())}, static_cast<size_t>(counts.shape(1)),
                                    precision, {freqs.mutable_data(), static_cast<size_t>(freqs.size())});
            return freqs;
        },
        py::arg("counts").noconvert(), py::arg("precision"));
}

}  // namespace laconic::bindings
