// From raw bytes to templates and values, in one pass over the lines and a second look at the rare ones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "log/templates.h"
#include "log/tokens.h"

namespace laconic::logs {

constexpr size_t kMaxLine = 20000;  // longer lines are kept whole

struct ParsedLog {
    TemplateSet templates;
    std::vector<uint32_t> line_template;  // of every line
    std::vector<uint32_t> line_slots;     // line k has slots[line_slots[k], line_slots[k + 1])
    std::vector<Slot> slots;
    bool final_newline = false;  // whether the last line has one
    size_t whole = 0;            // bytes of the lines that are kept whole

    size_t lines() const { return line_template.size(); }
    // Whether these are lines that programs wrote: most belong to templates.
    bool pays(size_t raw_size) const {
        return raw_size && 2 * whole <= raw_size && templates.text.size() <= max_template_bytes(raw_size) &&
               templates.columns.size() <= max_columns(raw_size);
    }
};

// raw: at most 2^25 bytes.
ParsedLog parse_log(const uint8_t *raw, size_t size);

}  // namespace laconic::logs
