// The extension module `laconic._core`. Each subject has a file of its own that adds its functions; this one only calls them.
#include <pybind11/pybind11.h>

#include "bindings/bindings.h"

PYBIND11_MODULE(_core, m) {
    m.doc() = "C++ core of laconic: entropy coders and the kernels of the codecs.";
    laconic::bindings::bind_errors(m);
    laconic::bindings::bind_cpu(m);
    laconic::bindings::bind_entropy_blocks(m);
    laconic::bindings::bind_entropy_contexts(m);
    laconic::bindings::bind_bytes(m);
    laconic::bindings::bind_hash(m);
    laconic::bindings::bind_floats(m);
    laconic::bindings::bind_fields(m);
    laconic::bindings::bind_text(m);
    laconic::bindings::bind_audio(m);
    laconic::bindings::bind_image(m);
    laconic::bindings::bind_entropy_models(m);
    laconic::bindings::bind_logs(m);
    laconic::bindings::bind_kv(m);
    laconic::bindings::bind_checkpoint(m);
}
