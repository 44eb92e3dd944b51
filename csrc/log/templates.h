// Templates: what lines have in common. A template is stored as its literal bytes, with a slot written as kSlot and its class.
//
// Slots that come after the same beginning of a line, in whatever templates, share a column: the hour, the host and the process
// number at the head of all lines of a log are one column each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace laconic::logs {

constexpr uint8_t kSlot = 0x01;  // lines that contain this byte are kept whole
constexpr size_t kMaxTemplates = 65535;

// What the templates of a frame may take: a few bytes must not unpack to more than a small multiple of the frame. A parse that
// needs more does not pay.
constexpr size_t max_template_bytes(size_t raw_size) { return raw_size / 2 + 4096; }
constexpr size_t max_columns(size_t raw_size) { return raw_size / 16 + 1024; }

struct Column {
    uint8_t cls;
};

// The literal bytes [literal, literal + size) of TemplateSet::text, then a slot of `column` (none after the last literal).
struct Part {
    uint32_t literal;
    uint32_t size;
    uint32_t column;
};
constexpr uint32_t kNoColumn = 0xffffffffu;

struct TemplateSet {
    std::vector<uint8_t> text;    // the stored form: each template, then '\n'
    std::vector<uint32_t> first;  // template t has parts[first[t], first[t + 1])
    std::vector<Part> parts;
    std::vector<Column> columns;

    size_t count() const { return first.empty() ? 0 : first.size() - 1; }
    std::span<const Part> of(size_t t) const { return {parts.data() + first[t], parts.data() + first[t + 1]}; }
};

// Reads the stored form; CorruptData if it is none, or has more than most_columns.
TemplateSet read_templates(std::vector<uint8_t> text, size_t most_columns);

}  // namespace laconic::logs
