#include "entropy/cpu.h"

#include "bindings/bindings.h"

namespace py = pybind11;

namespace laconic::bindings {

void bind_cpu(py::module_ &m) {
    m.def(
        "best_isa", [] { return std::string(isa_name(best_isa())); },
        "The widest instruction set this machine offers: 'scalar', 'avx2' or 'avx512'.");
    m.def("active_isa", [] { return std::string(isa_name(active_isa())); }, "The instruction set the kernels use.");
    m.def(
        "set_isa", [](const std::string &name) { set_isa(parse_isa(name)); }, py::arg("name"),
        "Force an instruction set for the whole process (tests and benchmarks); ValueError if the machine lacks it.");
}

}  // namespace laconic::bindings
