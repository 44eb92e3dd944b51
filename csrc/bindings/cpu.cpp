#include "entropy/cpu.h"

#include "bindings/bindings.h"

#if defined(__linux__)
#include <malloc.h>
#endif

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
    m.def(
        "keep_freed_memory",
        [] {
#if defined(__GLIBC__)
            mallopt(M_MMAP_THRESHOLD, 1 << 25);
            mallopt(M_TRIM_THRESHOLD, 1 << 28);
#endif
        },
        "Let the process keep what it frees (up to 256 MiB, where the C library is glibc): frames take the memory of those "
        "before "
        "them, and the system need not clear it again. For programs that do nothing else, such as the command line.");
}

}  // namespace laconic::bindings
