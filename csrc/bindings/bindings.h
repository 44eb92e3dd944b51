// One function for each subject of `laconic._core`; module.cpp calls them in order.
#pragma once

#include <pybind11/pybind11.h>

namespace laconic::bindings {

void bind_errors(pybind11::module_ &m);
void bind_cpu(pybind11::module_ &m);
void bind_entropy_blocks(pybind11::module_ &m);
void bind_entropy_contexts(pybind11::module_ &m);
void bind_bytes(pybind11::module_ &m);
void bind_hash(pybind11::module_ &m);
void bind_floats(pybind11::module_ &m);
void bind_fields(pybind11::module_ &m);
void bind_text(pybind11::module_ &m);
void bind_audio(pybind11::module_ &m);
void bind_image(pybind11::module_ &m);
void bind_entropy_models(pybind11::module_ &m);
void bind_logs(pybind11::module_ &m);
void bind_kv(pybind11::module_ &m);
void bind_checkpoint(pybind11::module_ &m);

}  // namespace laconic::bindings
