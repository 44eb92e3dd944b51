// CorruptData -> laconic.CorruptDataError. The class lives in Python (laconic/errors.py) and is looked up when first thrown, so
// that importing the extension imports nothing else.
#include "bindings/bindings.h"
#include "entropy/error.h"

namespace py = pybind11;

namespace laconic::bindings {

void bind_errors(py::module_ &) {
    py::register_exception_translator([](std::exception_ptr p) {
        try {
            if (p) std::rethrow_exception(p);
        } catch (const CorruptData &e) {
            const py::object type = py::module_::import("laconic.errors").attr("CorruptDataError");
            PyErr_SetString(type.ptr(), e.what());
        }
    });
}

}  // namespace laconic::bindings
