// laconic._core.entropy_models: models, messages, and coders to interleave models with. The Python face is entropy/.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <span>

#include "bindings/bindings.h"
#include "entropy/binary_coder.h"
#include "entropy/categorical.h"
#include "entropy/compiled_model.h"
#include "entropy/location_scale.h"
#include "entropy/message.h"
#include "entropy/range_coder.h"
#include "entropy/rans_c.h"

namespace py = pybind11;

namespace laconic::bindings {

namespace {

template <class T>
using Array = py::array_t<T, py::array::c_style>;

SymbolType symbol_type(const py::array &a) {
    const char kind = a.dtype().kind();
    if ((kind == 'u' || kind == 'i') && a.itemsize() <= 4) {
        const int log_size = a.itemsize() == 1 ? 0 : a.itemsize() == 2 ? 1 : 2;
        return static_cast<SymbolType>(2 * log_size + (kind == 'i'));
    }
    throw py::type_error("symbols are uint8, uint16, uint32, int8, int16 or int32, not " +
                         py::str(a.dtype()).cast<std::string>());
}

void require_contiguous(const py::array &a) {
    if (!(a.flags() & py::array::c_style)) throw py::value_error("symbols must lie contiguously in memory");
}

SymbolView view(const py::array &a) {
    require_contiguous(a);
    return {static_cast<const std::uint8_t *>(a.data()), static_cast<std::size_t>(a.size()), symbol_type(a)};
}

MutableSymbolView mutable_view(py::array &a) {
    require_contiguous(a);
    return {static_cast<std::uint8_t *>(a.mutable_data()), static_cast<std::size_t>(a.size()), symbol_type(a)};
}

std::span<const std::uint8_t> bytes_of(const py::buffer_info &info) {
    if (info.ndim != 1 || info.strides[0] != info.itemsize) throw py::value_error("a message must be contiguous bytes");
    return {static_cast<const std::uint8_t *>(info.ptr), static_cast<std::size_t>(info.size * info.itemsize)};
}

py::bytes to_bytes(const std::vector<std::uint8_t> &v) { return {reinterpret_cast<const char *>(v.data()), v.size()}; }

void check_size(const Model &model, std::size_t symbols) {
    if (model.size() != Model::kAnyNumber && model.size() != symbols)
        throw std::invalid_argument("the model describes " + std::to_string(model.size()) + " symbols, not " +
                                    std::to_string(symbols));
}

template <class T>
std::size_t stride_of(const Array<T> &a, std::size_t n) {
    if (a.size() != 1 && static_cast<std::size_t>(a.size()) != n) throw std::invalid_argument("parameters of different sizes");
    return a.size() == 1 ? 0 : 1;
}

template <class Float>
Array<std::int64_t> quantise(const Array<Float> &means, const Array<Float> &scales, const Array<std::uint8_t> &families,
                             std::size_t n) {
    const std::size_t mean_stride = stride_of(means, n), scale_stride = stride_of(scales, n),
                      family_stride = stride_of(families, n);
    if (families.size() != 0 &&
        *std::max_element(families.data(), families.data() + families.size()) >= location_scale::kFamilies)
        throw std::invalid_argument("unknown family");
    Array<std::int64_t> out(static_cast<py::ssize_t>(n));
    std::size_t bad = 0;
    location_scale::Quantised result;
    {
        std::int64_t *const data = out.mutable_data();
        const py::gil_scoped_release release;
        const location_scale::Parameters<Float> parameters{means.data(), mean_stride,     scales.data(),
                                                           scale_stride, families.data(), family_stride};
        result = location_scale::quantise(parameters, n, data, &bad);
    }
    switch (result) {
        case location_scale::Quantised::ok:
            return out;
        case location_scale::Quantised::bad_mean:
            throw std::invalid_argument("mean " + std::to_string(means.data()[bad * mean_stride]) + " at position " +
                                        std::to_string(bad) + " is not a number in -2^32 .. 2^32");
        default:
            throw std::invalid_argument("scale " + std::to_string(scales.data()[bad * scale_stride]) + " at position " +
                                        std::to_string(bad) + " is not a finite number above 0");
    }
}

template <class Float>
Array<std::uint32_t> quantise_weights(const Array<Float> &probabilities) {
    if (probabilities.ndim() != 2 || probabilities.shape(1) < 1 || probabilities.shape(1) > location_scale::kMaxComponents)
        throw std::invalid_argument("a mixture has 1 to " + std::to_string(location_scale::kMaxComponents) + " components");
    Array<std::uint32_t> out({probabilities.shape(0), probabilities.shape(1)});
    std::size_t bad = 0;
    if (!location_scale::quantise_weights(probabilities.data(), static_cast<int>(probabilities.shape(1)),
                                          static_cast<std::size_t>(probabilities.shape(0)), out.mutable_data(), &bad))
        throw std::invalid_argument("the weights at position " + std::to_string(bad) + " are not probabilities that sum to 1");
    return out;
}

template <class Element>
void bind_rows(py::module_ &m, const char *name, bool cdf) {
    using Rows = CategoricalRowsModel<Element>;
    py::class_<Rows, Model>(m, name).def(
        py::init([cdf](const Array<Element> &rows, const std::optional<Array<std::int64_t>> &index, int bits) {
            if (rows.ndim() != 2) throw std::invalid_argument("rows are a matrix");
            const auto alphabet = static_cast<std::size_t>(rows.shape(1)) - (cdf && rows.shape(1) > 0 ? 1 : 0);
            const auto count = static_cast<std::size_t>(rows.shape(0));
            if (alphabet < 1 || alphabet > kMaxAlphabet) throw std::invalid_argument("an alphabet has 1 to 2^20 symbols");
            if (bits < 1 || bits > kProbBits) throw std::invalid_argument("a CDF has 1 to 24 bits");
            const std::int64_t *at = nullptr;
            std::size_t size = count;
            if (index) {
                at = index->data();
                size = static_cast<std::size_t>(index->size());
                for (std::size_t i = 0; i < size; ++i)
                    if (static_cast<std::uint64_t>(at[i]) >= count)
                        throw std::invalid_argument("row index " + std::to_string(at[i]) + " at position " + std::to_string(i) +
                                                    " is outside 0 .. " + std::to_string(count) + " - 1");
            }
            return Rows({rows.data(), count, alphabet, bits}, at, size);
        }),
        py::arg("rows").noconvert(), py::arg("index"), py::arg("bits"), py::keep_alive<1, 2>(), py::keep_alive<1, 3>());
}

template <class Float>
void bind_gaussian_mixture(py::module_ &m, const char *name) {
    using Mixture = GaussianMixtureModel<Float>;
    py::class_<Mixture, Model>(m, name).def(
        py::init([](const Array<Float> &means, const Array<Float> &scales, const Array<Float> &weights, bool constant) {
            for (const auto *rows : {&means, &scales, &weights})
                if (rows->ndim() != 2 || rows->shape(0) != means.shape(0) || rows->shape(1) != means.shape(1) ||
                    (constant && rows->shape(0) != 1))
                    throw std::invalid_argument("means, scales and weights are matrices of one shape");
            const auto components = static_cast<std::size_t>(means.shape(1));
            if (components < 1 || components > location_scale::kMaxComponents)
                throw std::invalid_argument("a mixture has 1 to " + std::to_string(location_scale::kMaxComponents) +
                                            " components");
            return Mixture({means.data(), scales.data(), weights.data(), constant ? 0 : components, static_cast<int>(components)},
                           constant ? Model::kAnyNumber : static_cast<std::size_t>(means.shape(0)));
        }),
        py::arg("means").noconvert(), py::arg("scales").noconvert(), py::arg("weights").noconvert(), py::arg("constant"),
        py::keep_alive<1, 2>(), py::keep_alive<1, 3>(), py::keep_alive<1, 4>());
}

template <class Encode>
py::bytes encode_array(const Model &model, const py::array &symbols, int jobs, Encode &&encode) {
    const SymbolView in = view(symbols);
    check_size(model, in.size);
    std::vector<std::uint8_t> payload;
    {
        const py::gil_scoped_release release;
        payload = encode(in, jobs);
    }
    return to_bytes(payload);
}

template <class Decode>
void decode_array(const Model &model, const py::buffer &payload, py::array &symbols, Decode &&decode) {
    const MutableSymbolView out = mutable_view(symbols);
    check_size(model, out.size);
    const py::buffer_info info = payload.request();
    const std::span<const std::uint8_t> in = bytes_of(info);
    const py::gil_scoped_release release;
    decode(in, out);
}

void bind_messages(py::module_ &m) {
    m.def("encode", [](const Model &model, const py::array &symbols, int jobs) {
        return encode_array(model, symbols, jobs, [&](SymbolView in, int j) { return message::encode(model, in, j); });
    });
    m.def("decode", [](const Model &model, const py::buffer &payload, py::array symbols, int jobs) {
        decode_array(model, payload, symbols, [&](auto in, MutableSymbolView out) { message::decode(model, in, out, jobs); });
    });
    m.def("encode_binary", [](const BernoulliModel &model, const py::array &symbols, int jobs) {
        return encode_array(model, symbols, jobs, [&](SymbolView in, int j) { return message::encode_binary(model, in, j); });
    });
    m.def("decode_binary", [](const BernoulliModel &model, const py::buffer &payload, py::array symbols, int jobs) {
        decode_array(model, payload, symbols,
                     [&](auto in, MutableSymbolView out) { message::decode_binary(model, in, out, jobs); });
    });
    m.def("encode_compiled", [](std::uintptr_t address, const Array<std::uint8_t> &state, std::size_t alphabet,
                                const py::array &symbols) {
        const compiled_model::Program program{
            reinterpret_cast<compiled_model::Next>(address), {state.data(), static_cast<std::size_t>(state.size())}, alphabet};
        const SymbolView in = view(symbols);
        std::vector<std::uint8_t> payload;
        {
            const py::gil_scoped_release release;
            payload = compiled_model::encode(program, in);
        }
        return to_bytes(payload);
    });
    m.def("decode_compiled", [](std::uintptr_t address, const Array<std::uint8_t> &state, std::size_t alphabet,
                                const py::buffer &payload, py::array symbols) {
        const compiled_model::Program program{
            reinterpret_cast<compiled_model::Next>(address), {state.data(), static_cast<std::size_t>(state.size())}, alphabet};
        const MutableSymbolView out = mutable_view(symbols);
        const py::buffer_info info = payload.request();
        const std::span<const std::uint8_t> in = bytes_of(info);
        const py::gil_scoped_release release;
        compiled_model::decode(program, in, out);
    });
}

template <class Coder>
py::bytes message_of(const Coder &coder) {
    std::vector<std::uint8_t> out(coder.size_bytes());
    coder.write(out.data());
    return to_bytes(out);
}

void bind_coders(py::module_ &m) {
    using rans_c::Stack;
    py::class_<Stack>(m, "Stack")
        .def(py::init<>())
        .def(py::init([](const py::buffer &message) { return Stack(bytes_of(message.request())); }))
        .def("push",
             [](Stack &coder, const Model &model, const py::array &symbols) {
                 const SymbolView in = view(symbols);
                 check_size(model, in.size);
                 const py::gil_scoped_release release;
                 coder.push(model, in);
             })
        .def("pop",
             [](Stack &coder, const Model &model, py::array symbols) {
                 const MutableSymbolView out = mutable_view(symbols);
                 check_size(model, out.size);
                 const py::gil_scoped_release release;
                 coder.pop(model, out);
             })
        .def("to_bytes", &message_of<Stack>)
        .def_property_readonly("empty", &Stack::empty)
        .def_property_readonly("size_bytes", &Stack::size_bytes);

    using range_coder::Encoder;
    py::class_<Encoder>(m, "QueueEncoder")
        .def(py::init<>())
        .def("push",
             [](Encoder &coder, const Model &model, const py::array &symbols) {
                 const SymbolView in = view(symbols);
                 check_size(model, in.size);
                 const py::gil_scoped_release release;
                 coder.push(model, in);
             })
        .def("to_bytes", &message_of<Encoder>)
        .def_property_readonly("size_bytes", &Encoder::size_bytes);

    using range_coder::Decoder;
    py::class_<Decoder>(m, "QueueDecoder")
        .def(py::init([](const py::buffer &message) { return Decoder(bytes_of(message.request())); }))
        .def("pop",
             [](Decoder &coder, const Model &model, py::array symbols) {
                 const MutableSymbolView out = mutable_view(symbols);
                 check_size(model, out.size);
                 const py::gil_scoped_release release;
                 coder.pop(model, out);
             })
        .def("finish", &Decoder::finish);
}

void bind_distributions(py::module_ &m) {
    m.def("quantise", &quantise<float>, py::arg("means").noconvert(), py::arg("scales").noconvert(),
          py::arg("families").noconvert(), py::arg("n"));
    m.def("quantise", &quantise<double>, py::arg("means").noconvert(), py::arg("scales").noconvert(),
          py::arg("families").noconvert(), py::arg("n"));
    m.def("quantise_weights", &quantise_weights<float>, py::arg("weights").noconvert());
    m.def("quantise_weights", &quantise_weights<double>, py::arg("weights").noconvert());
    py::list factors, thresholds;
    for (const double f : location_scale::kShapeFactors) factors.append(f);
    for (const double t : location_scale::kShapeThresholds) thresholds.append(t);
    m.attr("shape_factors") = py::tuple(factors);
    m.attr("shape_thresholds") = py::tuple(thresholds);
    m.def("tables", [] {  // for tests: tails and inverse (families, knots), scales (families, scale indexes)
        using namespace location_scale;
        return py::make_tuple(Array<std::uint32_t>({kFamilies, kTailKnots}, kTails).attr("tolist")(),
                              Array<std::uint32_t>({kFamilies, kInverseKnots}, kInverse).attr("tolist")(),
                              Array<std::uint64_t>({kFamilies, kScaleCount}, kScales).attr("tolist")());
    });
    m.attr("tables_checksum") = location_scale::kTablesChecksum;
    m.def("cdf_of_probabilities", [](const Array<double> &row) {
        const std::vector<std::uint32_t> cdf = cdf_of_probabilities({row.data(), static_cast<std::size_t>(row.size())});
        return Array<std::uint32_t>(static_cast<py::ssize_t>(cdf.size()), cdf.data());
    });

    py::class_<Model>(m, "Model")
        .def_property_readonly("size", &Model::size)
        // For tests and for the curious: (start, freq) of symbols 0 .. n - 1 of the model.
        .def("intervals", [](const Model &model, const Array<std::int64_t> &symbols) {
            check_size(model, static_cast<std::size_t>(symbols.size()));
            Array<std::uint32_t> out({symbols.size(), py::ssize_t{2}});
            model.intervals(0, static_cast<std::size_t>(symbols.size()), symbols.data(),
                            reinterpret_cast<Interval *>(out.mutable_data()));
            return out;
        });
    py::class_<LocationScaleModel, Model>(m, "LocationScaleModel")
        .def(py::init([](const Array<std::int64_t> &parameters, bool constant) {
                 if (constant && parameters.size() != 1)
                     throw std::invalid_argument("one distribution for all symbols is one number");
                 return LocationScaleModel(parameters.data(),
                                           constant ? Model::kAnyNumber : static_cast<std::size_t>(parameters.size()));
             }),
             py::arg("parameters").noconvert(), py::arg("constant"), py::keep_alive<1, 2>());
    py::class_<MixtureModel, Model>(m, "MixtureModel")
        .def(py::init([](const Array<std::int64_t> &parameters, const Array<std::uint32_t> &weights, bool constant) {
                 if (parameters.ndim() != 2 || weights.ndim() != 2 || parameters.shape(0) != weights.shape(0) ||
                     parameters.shape(1) != weights.shape(1) || (constant && parameters.shape(0) != 1))
                     throw std::invalid_argument("parameters and weights are matrices of one shape");
                 const auto components = static_cast<int>(parameters.shape(1));
                 const auto rows = static_cast<std::size_t>(parameters.shape(0));
                 if (components < 1 || components > location_scale::kMaxComponents)
                     throw std::invalid_argument("a mixture has 1 to " + std::to_string(location_scale::kMaxComponents) +
                                                 " components");
                 for (std::size_t i = 0; i < rows; ++i) {
                     std::uint64_t sum = 0;
                     for (int j = 0; j < components; ++j)
                         sum += weights.data()[i * static_cast<std::size_t>(components) + static_cast<std::size_t>(j)];
                     if (sum != std::uint64_t{1} << location_scale::kWeightBits)
                         throw std::invalid_argument("the weights at position " + std::to_string(i) + " do not sum to 2^16");
                 }
                 return MixtureModel(parameters.data(), weights.data(), components, constant ? Model::kAnyNumber : rows);
             }),
             py::arg("parameters").noconvert(), py::arg("weights").noconvert(), py::arg("constant"), py::keep_alive<1, 2>(),
             py::keep_alive<1, 3>());
    bind_gaussian_mixture<float>(m, "GaussianMixtureF32");
    bind_gaussian_mixture<double>(m, "GaussianMixtureF64");
    py::class_<CategoricalModel, Model>(m, "CategoricalModel").def(py::init([](const Array<std::uint32_t> &cdf) {
        return CategoricalModel(std::vector<std::uint32_t>(cdf.data(), cdf.data() + cdf.size()));
    }));
    bind_rows<float>(m, "CategoricalRowsF32", false);
    bind_rows<double>(m, "CategoricalRowsF64", false);
    bind_rows<std::uint16_t>(m, "CategoricalRowsU16", true);
    bind_rows<std::uint32_t>(m, "CategoricalRowsU32", true);
    py::class_<UniformModel, Model>(m, "UniformModel").def(py::init([](std::uint32_t n) {
        if (n < 1 || n > kTotal) throw std::invalid_argument("a uniform model has 1 to 2^24 symbols");
        return UniformModel(n);
    }));
    py::class_<BernoulliModel, Model>(m, "BernoulliModel")
        .def(py::init([](const Array<std::uint16_t> &p1, bool constant) {
                 if (constant && p1.size() != 1) throw std::invalid_argument("one probability for all symbols is one number");
                 if (p1.size() != 0 && *std::min_element(p1.data(), p1.data() + p1.size()) == 0)
                     throw std::invalid_argument("probabilities are 1 .. 65535 in 65536");
                 return BernoulliModel(p1.data(), constant ? Model::kAnyNumber : static_cast<std::size_t>(p1.size()));
             }),
             py::arg("p1").noconvert(), py::arg("constant"), py::keep_alive<1, 2>());
}

}  // namespace

void bind_entropy_models(py::module_ &parent) {
    py::module_ m = parent.def_submodule("entropy_models", "Models and coders; use laconic.entropy instead.");
    bind_distributions(m);
    bind_messages(m);
    bind_coders(m);
}

}  // namespace laconic::bindings
